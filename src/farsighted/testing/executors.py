"""The conformance kit for executors: what every one owes its callers, as one call.

`check_executor(MyExecutor, tmp_path)` in a test of your own is all it takes; it needs no pytest, no model and no data.
"""

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from farsighted.core.errors import (
    ConfigError,
    DataError,
    FarsightedError,
    InterruptedRunError,
    ModelError,
    SelectorError,
    StorageError,
)
from farsighted.core.readings import Reading
from farsighted.launch.work import Handler, Line, MakeExecutor, Opening, Task, TaskResult

_OPENER: Final = "farsighted.testing.executors:open_drill"
_FATAL: Final = {kind.__name__: kind for kind in (ConfigError, DataError, ModelError, StorageError)}
_WORDS: Final = "It went wrong."


class ExecutorConformanceError(AssertionError):
    """An executor that breaks its contract; the message says which clause."""


def check_executor(make: MakeExecutor, folder: Path) -> None:
    """Check an executor against its contract, with one task at a time and with three.

    Checked: every task is done exactly once and ends exactly once, in any order; its result or its failure comes back
    as it was; the observer hears of a task that it started, then its progress and numbers in their order, then how it
    ended, and never of more tasks at a time than there are workers; no tasks are no results; the executor can be used
    again; an error that no task would get around is raised, and so is what an opener or a module to import raises; a
    task that stops on request ends everything with `InterruptedRunError`.

    Args:
        make: What makes the executor.
        folder: For what the tasks write; it must be seen wherever they run.

    Raises:
        ExecutorConformanceError: The contract is broken; the message says how.
    """
    for workers in (1, 3):
        _check_work(make, folder / f"workers-{workers}", workers)
    for name, kind in _FATAL.items():
        _check_raises(make, folder / name, kind, (f"raise-{name}", "ok-1"))
    _check_raises(make, folder / "stopped", InterruptedRunError, ("stop-1", "ok-1"))
    _check_raises(make, folder / "opener", FarsightedError, ("ok-1",), argument={"refuse": True})
    _check_raises(make, folder / "module", FarsightedError, ("ok-1",), modules=("there_is_no_such_module",))


def open_drill(argument: Mapping[str, object], folder: Path, line: Line) -> Handler:
    """Return what does the kit's tasks: each does what its name says, and leaves a file of its own in `folder`."""
    if argument.get("refuse"):
        raise KeyError(_WORDS)

    def do(task: Task) -> object:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.mkstemp(prefix=f"{task.name}.", dir=folder)
        what, _, which = task.name.partition("-")
        if what == "raise":
            kinds = {**_FATAL, "SelectorError": SelectorError}
            raise kinds.get(which, RuntimeError)(_WORDS)
        if what == "stop":
            raise InterruptedRunError("Stopped.")
        for share, readings in _told(task):
            line.progressed(share)
            line.numbers(readings)
        return _result(task)

    return do


def _result(task: Task) -> object:
    return {"name": task.name, "values": [1, 0.1, None, True, "é"]}


def _told(task: Task) -> tuple[tuple[float, tuple[Reading, ...]], ...]:
    """What a task tells; infinity, no number at all and shares without a short decimal are among it."""
    first = Reading("loss", 1 / 3, task.name, "math", 1)
    second = (Reading("loss", math.inf, task.name, "math", 2), Reading("score", None, task.name, None, None, "math"))
    return (1 / 3, (first,)), (2 / 3, second)


@dataclass
class _Witness:
    """An observer that keeps everything in order."""

    said: list[tuple[str, Task, object]] = field(default_factory=list)

    def started(self, task: Task) -> None:
        self.said.append(("started", task, None))

    def progressed(self, task: Task, share: float) -> None:
        self.said.append(("progressed", task, share))

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        self.said += [("number", task, reading) for reading in readings]

    def noted(self, sentence: str) -> None:
        """A note is about no task."""

    def ended(self, outcome: TaskResult) -> None:
        self.said.append(("ended", outcome.task, outcome))

    def of(self, task: Task, *events: str) -> list[tuple[str, object]]:
        """What was said of a task, of some kinds of event."""
        return [(event, value) for event, about, value in self.said if about == task and event in events]


def _check_work(make: MakeExecutor, folder: Path, workers: int) -> None:
    tasks = [Task("drill", name) for name in ("ok-1", "raise-SelectorError", "ok-2", "raise-RuntimeError", "ok-3")]
    again = [Task("drill", "ok-4")]
    witness = _Witness()
    with make(_opening(folder, workers)) as executor:
        _require(executor.run([], witness) == [], "no tasks must be no results.")
        outcomes = executor.run(tasks, witness)
        _check_ended(tasks, outcomes)
        outcomes = [*outcomes, *executor.run(again, witness)]
    tasks += again
    _check_ended(tasks, outcomes)
    done = Counter(path.name.split(".")[0] for path in folder.iterdir())
    _require(
        done == Counter(task.name for task in tasks),
        f"every task must be done exactly once, but {dict(done)} tells how often each was done.",
    )
    for outcome in outcomes:
        _check_outcome(outcome)
        _check_told(witness, outcome)
    _check_side_by_side(witness, workers)


def _check_ended(tasks: Iterable[Task], outcomes: Iterable[TaskResult]) -> None:
    ended, wanted = Counter(outcome.task for outcome in outcomes), Counter(tasks)
    _require(
        ended == wanted,
        f"`run` must return one result a task, but lacks {sorted(task.name for task in wanted - ended)} and has "
        f"{sorted(task.name for task in ended - wanted)} too often.",
    )


def _check_outcome(outcome: TaskResult) -> None:
    failures = {"raise-SelectorError": _WORDS, "raise-RuntimeError": f"RuntimeError: {_WORDS}"}
    name, failure = outcome.task.name, failures.get(outcome.task.name)
    result = None if failure else _result(outcome.task)
    _require(outcome.failure == failure, f"'{name}' must end with the failure {failure!r}, not {outcome.failure!r}.")
    _require(outcome.result == result, f"'{name}' must end with the result {result!r}, not {outcome.result!r}.")


def _check_told(witness: _Witness, outcome: TaskResult) -> None:
    task = outcome.task
    events = [event for event, about, _ in witness.said if about == task]
    _require(
        events[:1] == ["started"] and events[-1:] == ["ended"] and {"started", "ended"}.isdisjoint(events[1:-1]),
        f"the observer must hear that '{task.name}' started, once, and last that it ended, once, but hears {events}.",
    )
    _require(
        witness.of(task, "ended") == [("ended", outcome)],
        f"the observer must hear of '{task.name}' what `run` returns.",
    )
    told = () if outcome.failure else _told(task)
    numbers: list[tuple[str, object]] = [("number", reading) for _, readings in told for reading in readings]
    _require(
        witness.of(task, "number") == numbers,
        f"the observer must hear every number of '{task.name}' once, in order and as it was.",
    )
    shares: list[tuple[str, object]] = [("progressed", share) for share, _ in told]
    _require(
        witness.of(task, "progressed") == shares, f"the observer must hear how far '{task.name}' is, as it was told."
    )


def _check_side_by_side(witness: _Witness, workers: int) -> None:
    running = 0
    for event, task, _ in witness.said:
        running += {"started": 1, "ended": -1}.get(event, 0)
        _require(running <= workers, f"with {workers} workers '{task.name}' must not start while {workers} tasks run.")


def _check_raises(
    make: MakeExecutor,
    folder: Path,
    kind: type[FarsightedError],
    names: Iterable[str],
    argument: Mapping[str, object] | None = None,
    modules: tuple[str, ...] = (),
) -> None:
    """Check that a run ends with an error of a kind."""
    try:
        with make(_opening(folder, 1, argument, modules)) as executor:
            executor.run([Task("drill", name) for name in names], _Witness())
    except kind:
        return
    except Exception as error:
        raise ExecutorConformanceError(
            f"An executor must raise {kind.__name__} ({folder.name}), but raises {type(error).__name__}: {error}"
        ) from error
    raise ExecutorConformanceError(f"An executor must raise {kind.__name__} ({folder.name}), but goes on.")


def _opening(
    folder: Path, workers: int, argument: Mapping[str, object] | None = None, modules: tuple[str, ...] = ()
) -> Opening:
    return Opening(_OPENER, argument or {}, folder, folder.with_name(f"{folder.name}-logs"), workers, modules)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ExecutorConformanceError(f"An executor breaks its contract: {sentence}")
