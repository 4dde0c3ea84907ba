"""An executor that does everything in this process, one task after the other."""

import contextlib
import importlib
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from farsighted.core.errors import FarsightedError, InterruptedRunError
from farsighted.core.readings import Reading
from farsighted.launch.interrupts import told_of_interrupts
from farsighted.launch.threads import limited_threads
from farsighted.launch.work import Failure, Handler, Line, Observer, Opener, Opening, Task, TaskResult
from farsighted.store import atomic


def handler_of(opening: Opening, line: Line) -> Handler:
    """Return what does the tasks of an opening in this process; raises whatever its modules and its opener raise."""
    for module in opening.modules:
        importlib.import_module(module)
    module_name, _, name = opening.opener.partition(":")
    opener: Opener = getattr(importlib.import_module(module_name), name)
    return opener(opening.argument, opening.folder, line)


class InlineExecutor:
    """Runs tasks here; a number of workers has no meaning.

    Ctrl-C asks the running task to stop with a checkpoint, a second one ends it at once.

    Args:
        open_handler: Makes what does the tasks.
        logs: Folder for tracebacks.
        should_stop: Is asked instead of waiting for Ctrl-C, where these tasks are part of another one.
    """

    def __init__(
        self, open_handler: Callable[[Line], Handler], logs: Path, should_stop: Callable[[], bool] | None = None
    ) -> None:
        self._open, self._logs = open_handler, logs
        self._line = _HereLine(should_stop)
        self._do: Handler | None = None

    @classmethod
    def of(cls, opening: Opening) -> Self:
        """Return the executor of an opening."""
        return cls(lambda line: handler_of(opening, line), opening.logs)

    def __enter__(self) -> Self:
        """Get ready; raises `StorageError` where the folder of logs cannot be written."""
        atomic.ensure_writable(self._logs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget the handler and all it holds."""
        self._do = None

    def run(self, tasks: Sequence[Task], observer: Observer) -> list[TaskResult]:
        """Run all tasks in their order; raises as `launch.work.Executor` says."""
        if not tasks:
            return []
        try:
            with self._line.listening(), limited_threads():
                do = self._handler()
                results = [self._outcome(do, task, observer) for task in tasks]
                self._line.check()
                return results
        except KeyboardInterrupt:
            raise InterruptedRunError(
                "Stopped at once. The same command goes on from the newest checkpoints."
            ) from None

    def _handler(self) -> Handler:
        if self._do is None:
            try:
                self._do = self._open(self._line)
            except FarsightedError:
                raise
            except Exception as error:
                self._log(error)
                raise Failure.of(error).error() from error
        return self._do

    def _outcome(self, do: Handler, task: Task, observer: Observer) -> TaskResult:
        self._line.check()
        self._line.watch(task, observer)
        observer.started(task)
        outcome = self._tried(do, task)
        observer.ended(outcome)
        return outcome

    def _tried(self, do: Handler, task: Task) -> TaskResult:
        try:
            return TaskResult(task, do(task))
        except InterruptedRunError:
            raise
        except Exception as error:
            failure = Failure.of(error)
            if failure.ends_everything:
                raise
            self._log(error)
            return TaskResult(task, failure=failure.message)

    def _log(self, error: Exception) -> None:
        """Keep the traceback where a worker process would leave it."""
        log = self._logs / "inline.log"
        with atomic.storage_errors(log), log.open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))


class _HereLine:
    """Passes what a task tells straight to the observer, and knows of the wish to stop."""

    def __init__(self, should_stop: Callable[[], bool] | None) -> None:
        self._asked = threading.Event()
        self._outer = should_stop
        self._told: tuple[Task, Observer] | None = None

    def listening(self) -> contextlib.AbstractContextManager[None]:
        return told_of_interrupts(self._interrupt) if self._outer is None else contextlib.nullcontext()

    def watch(self, task: Task, observer: Observer) -> None:
        self._told = task, observer

    def check(self) -> None:
        if self.should_stop():
            raise InterruptedRunError("Stopped; the running cell has written a checkpoint. The same command goes on.")

    def should_stop(self) -> bool:
        return self._asked.is_set() if self._outer is None else self._outer()

    def progressed(self, share: float) -> None:
        if self._told is not None:
            task, observer = self._told
            observer.progressed(task, share)

    def numbers(self, readings: Sequence[Reading]) -> None:
        if self._told is not None:
            task, observer = self._told
            observer.numbers(task, readings)

    def _interrupt(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
