"""Whether a template writes the numbers and the yes and no of calls, which signs cannot be put around."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from farsighted.models.messages import Conversation, Message
from farsighted.models.pieces import Piece

_FIRST: Final = 7_100_000_000_003
"""A number that no call holds; each value is exchanged for another one after it."""
_STEP: Final = 1_000_003
_Change = Callable[[int, bool | int | float], object]
"""Number of a value, from 0, and the value; returns what to put in its place."""


@dataclass
class _Values:
    """The values of a conversation's calls, exchanged in the order met."""

    change: _Change
    met: list[tuple[int, bool | int | float]] = field(default_factory=list)
    """Number of the message, and the value."""

    def exchanged(self, talk: Conversation) -> Conversation:
        return Conversation(
            tuple(self._message(turn, message) for turn, message in enumerate(talk.messages)), talk.tools
        )

    def _message(self, turn: int, message: Message) -> Message:
        calls = message.get("tool_calls")
        return (
            message | {"tool_calls": [self._call(turn, call) for call in calls]} if isinstance(calls, list) else message
        )

    def _call(self, turn: int, call: object) -> object:
        if not isinstance(call, dict):
            return call
        if isinstance(call.get("function"), dict):
            return call | {"function": self._call(turn, call["function"])}
        return call | {"arguments": self._leaves(turn, call["arguments"])} if "arguments" in call else call

    def _leaves(self, turn: int, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: self._leaves(turn, held) for name, held in value.items()}
        if isinstance(value, list):
            return [self._leaves(turn, held) for held in value]
        if not isinstance(value, (int, float)):
            return value
        self.met.append((turn, value))
        return self.change(len(self.met) - 1, value)


def lost_values(talk: Conversation, whole: str, render: Callable[[Conversation], str]) -> list[Piece]:
    """Return the numbers and the yes and no in calls that a template does not write.

    Each is exchanged for a number of its own, which must then stand in the text; where it does not, the template may
    only write it in another way, so it alone is changed: a text that stays the same does not hold it.

    Args:
        talk: What was written.
        whole: What the template made of it.
        render: Writes a conversation; "" where the template refuses it.
    """
    values = _Values(lambda number, _: _FIRST + _STEP * number)
    exchanged = values.exchanged(talk)
    if not values.met:
        return []
    text = render(exchanged)
    return [
        Piece(turn, "call", str(value).lower() if isinstance(value, bool) else str(value))
        for number, (turn, value) in enumerate(values.met)
        if str(_FIRST + _STEP * number) not in text and render(_Values(_alone(number)).exchanged(talk)) == whole
    ]


def _alone(chosen: int) -> _Change:
    def change(number: int, value: bool | int | float) -> object:
        if number != chosen:
            return value
        return not value if isinstance(value, bool) else value + 1

    return change
