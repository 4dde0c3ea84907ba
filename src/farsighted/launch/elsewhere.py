"""Tasks that other processes are at, in the same folder: left to them, waited for, and done here where they die."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.core.errors import InterruptedRunError
from farsighted.launch.work import Executor, Observer, Task, TaskResult
from farsighted.protocol.tasks import Unit
from farsighted.store.claims import Claims

_POLL_SECONDS: Final = 0.2
"""A cell takes seconds or more; a look takes less than a millisecond."""


def held_by(outcome: TaskResult) -> str | None:
    """Return which process does the task, where it was left to another one."""
    if isinstance(outcome.result, dict) and "held_by" in outcome.result:
        return str(outcome.result["held_by"])
    return None


@dataclass(frozen=True)
class SharedFolder:
    """An audit's folder that other processes may be at work in."""

    claims: Claims
    unit_of: Callable[[Task], Unit]
    pause: Callable[[float], None] = time.sleep

    def run(self, executor: Executor, tasks: Sequence[Task], observer: Observer) -> list[TaskResult]:
        """Run tasks and see those through that other processes hold; returns how each ended.

        A task that is held ends twice for the observer: as `held_by` says, and when it is finished. Raises as
        `Executor.run` does, and `InterruptedRunError` at once on Ctrl-C while there is nothing to do but wait.
        """
        results, holders = self._round(executor, tasks, observer)
        while holders:
            free = [task for task in holders if self.claims.held(self.unit_of(task).claim) is None]
            if not free:
                self._wait()
                continue
            # Asked only now: who holds nothing any more has finished, or never will.
            finished = [task for task in free if self.unit_of(task).is_done()]
            for task in finished:
                results.append(TaskResult(task, f"finished by {holders.pop(task)}"))
                observer.ended(results[-1])
            left = [task for task in free if task in holders]
            more, again = self._round(executor, left, observer)
            results += more
            holders = {task: who for task, who in holders.items() if task not in left} | again
        return results

    def _round(
        self, executor: Executor, tasks: Sequence[Task], observer: Observer
    ) -> tuple[list[TaskResult], dict[Task, str]]:
        """Run tasks; returns how they ended, and who holds the others."""
        outcomes = executor.run(tasks, observer) if tasks else []
        holders = {outcome.task: who for outcome in outcomes if (who := held_by(outcome)) is not None}
        return [outcome for outcome in outcomes if outcome.task not in holders], holders

    def _wait(self) -> None:
        try:
            self.pause(_POLL_SECONDS)
        except KeyboardInterrupt:
            raise InterruptedRunError(
                "Stopped while waiting for other processes; what was done here is kept. The same command goes on."
            ) from None
