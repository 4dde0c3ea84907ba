"""Content that is a list of parts: text, what was thought before it, calls of tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.files.calls import Call, calls_in
from farsighted.files.fields import UnfitError, kind_of, text_of

_TEXT: Final = frozenset({"text", "input_text", "output_text"})
_THOUGHT: Final = frozenset({"reasoning", "thinking"})
_CALLED: Final = frozenset({"tool_call", "tool_use", "function_call"})
_VALUES: Final = ("text", "value", "content", "thinking", "reasoning")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the parts of a content hold."""

    text: str
    """The texts, without anything between them."""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()


def parts_in(listed: Sequence[object]) -> Parts:
    """Return what parts hold: [{type: text, text: ...}, ...].

    Types: `text` (the text under `text`, `value` or `content`), `reasoning` or `thinking`, `tool_call` or `tool_use`.

    Raises:
        UnfitError: No part, or one of another type: an image, a sound.
    """
    if not listed:
        raise UnfitError("has a message whose content is an empty list; it must be text, or parts of type text")
    texts: dict[str, list[str]] = {"text": [], "thought": []}
    calls: list[Call] = []
    for part in listed:
        kind = part.get("type") if isinstance(part, dict) else kind_of(part)
        if not isinstance(part, dict) or not isinstance(kind, str) or kind not in _TEXT | _THOUGHT | _CALLED:
            raise UnfitError(f"has a message with a part of type {kind!r}; only parts of type 'text' can be trained on")
        if kind in _CALLED:
            calls.extend(calls_in(part.get("value", part)))
        else:
            texts["text" if kind in _TEXT else "thought"].append(_text_of(part))
    return Parts("".join(texts["text"]), "".join(texts["thought"]), tuple(calls))


def _text_of(part: dict[str, object]) -> str:
    name = next((name for name in _VALUES if part.get(name) is not None), "")
    if not name:
        there = ", ".join(sorted(str(key) for key in part))
        raise UnfitError(f"has a message with a part that holds {there}; its text must be under `text`")
    return text_of(part, name)
