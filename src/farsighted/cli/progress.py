"""Progress over the whole grid with the time left: a bar in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from farsighted.cli.console import as_duration
from farsighted.core.readings import Reading
from farsighted.launch.elsewhere import held_by
from farsighted.launch.work import Task, TaskResult


class GridProgress:
    """Shows how much of an audit is done; an observer of an audit and a context manager.

    `labels`: what to call each task. `done`: cells that were finished before.
    """

    def __init__(self, console: Console, labels: Mapping[str, str], total: int, done: int) -> None:
        self._console = console
        self._labels = labels
        self._total, self._before = total, done
        self._ended, self._shared = 0, 0
        self._shares: dict[Task, float] = {}
        self._began: float | None = None
        self._bar = _bar(console) if console.is_terminal else None
        self._bar_task = self._bar.add_task("reading", total=total or 1, completed=done) if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        if self._before:
            self._say(
                f"{self._before} of {self._total} cells were finished before; {self._total - self._before} to run."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def started(self, task: Task) -> None:
        """Show what a worker has taken."""
        if self._began is None and task.kind == "cell":
            self._began = time.monotonic()
        self._shares[task] = 0.0
        self._show()

    def progressed(self, task: Task, share: float) -> None:
        """Move the bar."""
        self._shares[task] = share
        self._show()

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        """Show none of them: there are too many for a terminal."""

    def noted(self, sentence: str) -> None:
        """Say it in a line of its own."""
        self._say(f"Note: {sentence}")

    def ended(self, outcome: TaskResult) -> None:
        """Count a finished task, and say so in a line."""
        self._shares.pop(outcome.task, None)
        name = self._labels.get(outcome.task.name, outcome.task.name)
        if who := held_by(outcome):
            self._say(f"{name}: left to {who}")
            self._show()
            return
        how = f"FAILED: {outcome.failure}" if outcome.failure else (outcome.result or "done")
        if outcome.task.kind != "cell":
            self._say(f"shared work, {name}: {how}")
            return
        self._ended += 1
        self._say(f"[{self._before + self._ended}/{self._total}] {name}: {how}{self._left()}")
        self._show()

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _show(self) -> None:
        if self._bar is None or self._bar_task is None:
            return
        running = [self._labels.get(task.name, task.name) for task in self._shares]
        completed = self._before + self._ended + self._running_share()
        self._bar.update(self._bar_task, completed=completed, description=", ".join(running) + self._left())

    def _running_share(self) -> float:
        return sum(share for task, share in self._shares.items() if task.kind == "cell")

    def _left(self) -> str:
        done = self._ended + self._running_share()
        to_do = self._total - self._before
        if self._began is None or done <= 0 or done >= to_do:
            return ""
        seconds = (time.monotonic() - self._began) * (to_do - done) / done
        return f" ({as_duration(seconds)} left)"


def _bar(console: Console) -> Progress:
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, transient=True)
