"""Work and who does it: a task, how it ended, who watches, and the executor that runs tasks wherever it likes.

An executor knows nothing of audits. What it is opened with names a function, the opener, that turns a JSON value into
something that does tasks by name, here or in another process. So the same executors run the cells of an audit and the
points of a phase map. What was done is kept by the tasks' own folders, never by the executor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from farsighted.core.errors import (
    ConfigError,
    DataError,
    FarsightedError,
    ModelError,
    SelectorError,
    StorageError,
)
from farsighted.core.readings import Listener, Reading
from farsighted.core.source import told

Kind = str
"""What is to be done, a word of the opener's: `stage`, `clusters`, `cell` and `measure` in an audit."""


@dataclass(frozen=True)
class Task:
    """One unit of work, by name."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class TaskResult:
    """How a task ended: with a result, or with a message of what went wrong."""

    task: Task
    result: object = None
    """A JSON value."""
    failure: str | None = None


class Observer(Protocol):
    """Is told what happens, in the process that started it all, one call at a time."""

    def started(self, task: Task) -> None:
        """A task has been taken up; again where the process that had it died."""

    def progressed(self, task: Task, share: float) -> None:
        """A task is so far, 0 to 1."""

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        """A task has new numbers.

        A task that goes on from a checkpoint tells only what comes after it. What was told between the newest
        checkpoint and the death of a process is told again, with the same values.
        """

    def noted(self, sentence: str) -> None:
        """Something happened that a person should read, and that ends nothing."""

    def ended(self, outcome: TaskResult) -> None:
        """A task has ended; one that another process does ends as left to it, and again when it is finished."""


class Line(Listener, Protocol):
    """What a task has of its executor: somebody who listens, and the question whether to stop."""

    def should_stop(self) -> bool:
        """Return whether to write a checkpoint, if there is any, and raise `InterruptedRunError`."""


Handler = Callable[[Task], object]
"""Does a task and returns a JSON value."""
Opener = Callable[[Mapping[str, object], Path, Line], Handler]
"""Makes a handler of the argument and the folder of an `Opening`."""


@dataclass(frozen=True)
class Opening:
    """What an executor is opened with; everything in it can be written as JSON and read by another host."""

    opener: str
    """`package.module:function`, an `Opener`."""
    argument: Mapping[str, object]
    """A JSON value for the opener."""
    folder: Path
    """Where results go."""
    logs: Path
    """Folder for what tasks say to people, tracebacks among it."""
    workers: int = 1
    """Tasks at the same time, at most."""
    modules: tuple[str, ...] = ()
    """What is imported first, because it registers something."""


class Executor(Protocol):
    """Runs tasks; a context manager whose end gives back what it holds."""

    def __enter__(self) -> Self:
        """Get ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what still runs."""

    def run(self, tasks: Sequence[Task], observer: Observer) -> list[TaskResult]:
        """Run all tasks, in any order, and return how each ended; may be called again.

        Raises:
            StorageError, ModelError, ConfigError, DataError: What no further task would get around
                (`Failure.ends_everything`).
            InterruptedRunError: After Ctrl-C, when every running task has had the chance to write a checkpoint.
            FarsightedError: The opener failed, so no task can be done.
        """


MakeExecutor = Callable[[Opening], Executor]
"""What an executor's name stands for."""

Tracker = Callable[[Path, Mapping[str, object]], Observer]
"""Makes an observer, given an audit's folder and its resolved configuration, a JSON value.

By the first task the folder holds `audit.json`, which names the cells. An observer that is a context manager as well is
entered before the first task, and left after the last number or with the error that ended the audit.
"""


@dataclass(frozen=True)
class Launch:
    """How tasks are run."""

    workers: int = 1
    """Tasks at the same time."""
    executor: str | MakeExecutor = "local"
    """A name that `launch.build` knows, or what makes the executor."""
    trackers: Sequence[str | Tracker] = ()
    """Who else is told of progress and of every number: names that `launch.trackers` knows, or trackers themselves."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` where nobody would do the work."""
        if self.workers < 1:
            raise ConfigError(
                f"`--workers` must be at least 1, but is {self.workers}. Give as many as there are cores."
            )


_KINDS: Final = {kind.__name__: kind for kind in (ConfigError, DataError, ModelError, SelectorError, StorageError)}


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a task, as it goes from one process to another."""

    kind: str
    """Name of the exception's class; of a stranger's with its module."""
    message: str
    """A sentence."""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return the failure that an exception is."""
        if isinstance(error, FarsightedError):
            return cls(type(error).__name__, str(error))
        # With its module: a stranger's class may have the name of one of ours. What follows it is a sentence.
        return cls(f"{type(error).__module__}.{type(error).__qualname__}", f"{told(error)}.")

    @property
    def ends_everything(self) -> bool:
        """Whether no further task would get around it; a selector's mistake, and a stranger's, is its own."""
        return self.kind in _KINDS and self.kind != SelectorError.__name__

    def error(self) -> FarsightedError:
        """Return the failure as an exception of this program."""
        return _KINDS.get(self.kind, FarsightedError)(self.message)
