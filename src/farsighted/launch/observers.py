"""Observers that need no terminal: one that shows nothing, and one that passes everything on to several."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farsighted.core.readings import Reading
from farsighted.launch.work import Observer, Task, TaskResult


def _nothing(_outcome: TaskResult) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Shows nothing; a note becomes a Python warning, because it must not be lost."""

    then: Callable[[TaskResult], None] = _nothing
    """Is told how each task ended."""

    def started(self, task: Task) -> None:
        """Do nothing."""

    def progressed(self, task: Task, share: float) -> None:
        """Do nothing."""

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        """Do nothing."""

    def noted(self, sentence: str) -> None:
        """Warn."""
        warnings.warn(sentence, RuntimeWarning, stacklevel=2)

    def ended(self, outcome: TaskResult) -> None:
        """Pass it on to `then`."""
        self.then(outcome)


@dataclass(frozen=True, slots=True)
class Several:
    """Tells every one of its observers, in their order."""

    observers: tuple[Observer, ...]

    def started(self, task: Task) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.started(task)

    def progressed(self, task: Task, share: float) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.progressed(task, share)

    def numbers(self, task: Task, readings: Sequence[Reading]) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.numbers(task, readings)

    def noted(self, sentence: str) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.noted(sentence)

    def ended(self, outcome: TaskResult) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.ended(outcome)
