"""What of the arguments of calls a template writes that is no text: names, numbers, true and false.

Signs cannot be put around them. They are swapped for others that nobody writes, and these are looked for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from farsighted.models.messages import Conversation, Message

_WORD: Final = "qzwvkj"
_NUMBER: Final = 91_827_300_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A part of a call that the template passes over."""

    turn: int
    """Number of its message, from 0."""
    text: str


@dataclass
class _Swap:
    """Swaps all that is no text in calls, or one of it."""

    only: int | None = None
    met: list[tuple[Lost, str | None]] = field(default_factory=list)
    """Each part, and how what it was swapped for is spelled; None: it is only ever swapped alone."""

    def swapped(self, talk: Conversation) -> Conversation:
        messages = tuple(self._message(turn, message) for turn, message in enumerate(talk.messages))
        return replace(talk, messages=messages)

    def _message(self, turn: int, message: Message) -> Message:
        calls = message.get("tool_calls")
        if not isinstance(calls, list):
            return message
        return message | {"tool_calls": [self._call(turn, call) for call in calls]}

    def _call(self, turn: int, call: object) -> object:
        if not isinstance(call, dict):
            return call
        if isinstance(call.get("function"), dict):
            return call | {"function": self._call(turn, call["function"])}
        return call | {"arguments": self._value(turn, call["arguments"])} if "arguments" in call else call

    def _value(self, turn: int, value: object) -> object:
        if isinstance(value, Mapping):
            return {self._name(turn, str(name)): self._value(turn, held) for name, held in value.items()}
        if isinstance(value, list):
            return [self._value(turn, held) for held in value]
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, bool):
            # A number in its place would be written where a truth is passed over.
            return not value if self._swaps(turn, json.dumps(value), None) else value
        number = _NUMBER + len(self.met)
        return number if self._swaps(turn, str(value), str(number)) else value

    def _name(self, turn: int, name: str) -> str:
        word = f"{_WORD}{len(self.met)}q"
        return word if self._swaps(turn, name, word) else name

    def _swaps(self, turn: int, text: str, other: str | None) -> bool:
        self.met.append((Lost(turn, text), other))
        return other is not None if self.only is None else self.only == len(self.met) - 1


def lost_of(talk: Conversation, whole: str, render: Callable[[Conversation], str]) -> Lost | None:
    """Return the first name, number or truth in a call that does not show in `whole`, which `render` makes of the talk.

    A template may ask for a name: what is not found once all are swapped is swapped alone, as truths are, and must
    change what is written.
    """
    if not any(message.get("tool_calls") for message in talk.messages):
        return None
    swap = _Swap()
    text = render(swap.swapped(talk))
    for number, (lost, other) in enumerate(swap.met):
        if (other is None or other not in text) and render(_Swap(number).swapped(talk)) == whole:
            return lost
    return None
