"""Trackers: observers of a user's own that carry an audit's numbers elsewhere, and can do it no harm."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from farsighted.core.doors import Door
from farsighted.core.errors import ConfigError
from farsighted.core.readings import Reading
from farsighted.launch.observers import Several
from farsighted.launch.work import Observer, Task, TaskResult, Tracker

TRACKERS: Final = Door("farsighted.trackers", "Tracker", ConfigError)


def find_trackers(choices: Sequence[str | Tracker]) -> tuple[Tracker, ...]:
    """Return the trackers that are asked for; raises `ConfigError` for a name that there is not."""
    # That they can be called is checked; one that fails is dropped when it does.
    return tuple(cast(Tracker, TRACKERS.find(choice, {})) if isinstance(choice, str) else choice for choice in choices)


@contextlib.contextmanager
def tracked(
    observer: Observer, trackers: Sequence[Tracker], folder: Path, config: Mapping[str, object]
) -> Iterator[Observer]:
    """Give an observer that passes everything on to `observer` and to trackers.

    A tracker that raises is dropped: it hears no more, `observer` is told of it once in a note, and the audit goes on.
    Without trackers it is `observer` itself.
    """
    if not trackers:
        yield observer
        return
    guards = [_Guarded(make, folder, config, observer.noted) for make in trackers]
    with contextlib.ExitStack() as stack:
        for guard in guards:
            stack.enter_context(guard)
        yield Several((observer, *guards))


class _Guarded:
    """A tracker, until it raises."""

    def __init__(self, make: Tracker, folder: Path, config: Mapping[str, object], note: Callable[[str], None]) -> None:
        self._name = getattr(make, "__qualname__", type(make).__qualname__)
        self._note = note
        self._held = contextlib.ExitStack()
        self._observer: Observer | None = None
        self._dropped = False
        with self._harmless():
            self._observer = make(folder, config)

    def __enter__(self) -> None:
        with self._harmless():
            if isinstance(self._observer, contextlib.AbstractContextManager):
                self._held.enter_context(self._observer)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with self._harmless():
            self._held.__exit__(kind, error, error.__traceback__ if error else None)

    def started(self, task: Task) -> None:
        with self._harmless():
            if self._observer is not None:
                self._observer.started(task)

    def progressed(self, task: Task, share: float) -> None:
        with self._harmless():
            if self._observer is not None:
                self._observer.progressed(task, share)

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        with self._harmless():
            if self._observer is not None:
                self._observer.numbers(task, readings)

    def noted(self, sentence: str) -> None:
        with self._harmless():
            if self._observer is not None:
                self._observer.noted(sentence)

    def ended(self, outcome: TaskResult) -> None:
        with self._harmless():
            if self._observer is not None:
                self._observer.ended(outcome)

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 — a stranger's program may raise anything; it is told in a note
            self._observer = None
            if self._dropped:
                return
            self._dropped = True
            self._note(
                f"The tracker {self._name} was dropped, and hears no more of this audit: {type(error).__name__}: "
                f"{error} ({_place(error)}). The audit goes on without it."
            )


def _place(error: Exception) -> str:
    """Where an exception was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"
