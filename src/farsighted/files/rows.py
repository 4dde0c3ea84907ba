"""A row of a data file, whole with its origin, or bad with its reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EXCERPT: Final = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a data file."""

    fields: dict[str, object]
    """What the row holds, field by field."""
    file: Path
    """Its file."""
    line: int
    """Line (or row, in a table or an array), counted from 1."""

    @property
    def place(self) -> str:
        """Place of the row, as "file:line"."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used."""

    file: str
    """Its file."""
    line: int
    """Line (or row, in a table or an array), counted from 1."""
    reason: str
    """What is wrong, to be read after "file:line"."""
    excerpt: str
    """At most 80 characters of the row, unprintable ones replaced."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.reason}: {self.excerpt!r}"


def excerpt(text: str, around: int = 0) -> str:
    """Return at most 80 characters of a text, with those around a position in sight and unprintable ones replaced."""
    start = max(0, min(around - _EXCERPT // 2, len(text) - _EXCERPT))
    return "".join(sign if sign.isprintable() else "·" for sign in text[start : start + _EXCERPT])
