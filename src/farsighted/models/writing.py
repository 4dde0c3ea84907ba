"""Other ways to write an example than the project's own: what they give, and what they say of an example.

*Reference:* definitions.md#who-writes-an-example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from farsighted.core.values import Example

UNNAMED: Final = "hold a `name` of who speaks, or of a tool that answers, which is not written"
"""What is said where names are lost."""


@dataclass(frozen=True, slots=True)
class Written:
    """An example as the model reads it, before anything is cut."""

    prompt_ids: list[int]
    answer_ids: list[int]
    """With the token that closes the answer."""
    cuttable: Callable[[], Sequence[int]]
    """Gives the places in the prompt that may be left out, the first to go first, where an example is too long; the
    others are what holds it together."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be said of an example."""

    fault: str = ""
    """Why it cannot be used, to be read after its place; empty where it can."""
    mark: str = ""
    """One of the tokenizer's own marks that its text spells; empty where it spells none."""
    notes: tuple[str, ...] = ()
    """What the user should know, alike for all examples of its kind."""


class Writer(Protocol):
    """Another way to write examples than the project's own."""

    def encode(self, example: Example) -> Written:
        """Return an example as tokens; raises `DataError` where it cannot be written whole."""

    def look(self, example: Example) -> Seen:
        """Return what is to be said of an example, without turning it into tokens."""
