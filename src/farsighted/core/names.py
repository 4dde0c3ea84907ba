"""One registry for everything that has a name, with "did you mean"."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, or lists all known words.

    >>> did_you_mean("los", ["loss", "random"])
    "Did you mean 'loss'?"
    >>> did_you_mean("xyz", ["loss", "random"])
    'Known: loss, random.'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."


class Registry(Generic[T]):
    """Names to things, filled by the modules that define them."""

    def __init__(self, noun: str, error: Callable[[str], Exception]) -> None:
        self._noun = noun
        self._error = error
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Register `thing` under `name`; a second thing of the same name is a programmer's mistake."""
        if name in self._things and self._things[name] is not thing:
            raise self._error(f"There is a {self._noun} '{name}' already. Give yours another name.")
        self._things[name] = thing
        return thing

    def get(self, name: str) -> T:
        """Return what is registered under `name`, or raise with the nearest name."""
        if name not in self._things:
            raise self._error(f"There is no {self._noun} '{name}'. {did_you_mean(name, self._things)}")
        return self._things[name]

    def __contains__(self, name: str) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._things))
