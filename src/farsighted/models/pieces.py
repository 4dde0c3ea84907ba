"""Where the text of a conversation stands in what a template wrote of it.

A template is a program: it may trim, drop, move, repeat or escape what it is given. So a conversation is rendered a
second time with unseen signs around each text. Where the two renders are equal but for the signs, they show exactly
what became of each text; where a template looks at the texts and is misled by the signs, the texts are searched for.
"""

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from farsighted.core.speakers import REASONING
from farsighted.models.marks import Span
from farsighted.models.messages import Conversation, Message

Kind = Literal["text", "thinking", "call", "tool", "about"]
"""`about` is what describes a tool: templates may shorten it."""

_TAG: Final = re.compile(
    r"(</?(?:think|thinking|thought|reasoning|tool_call|tool_response)>|\[/?THINK\]|<\|(?:begin|end)_of_thought\|>)"
)
"""What templates split a text at: a tag may move or go, the texts between them stay."""
_OPENS: Final = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[THINK\]|<\|begin_of_thought\|>")
_CLOSES: Final = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]|<\|end_of_thought\|>")
_PLANES: Final = {
    plane * 0x10000: re.compile(f"[{chr(plane * 0x10000)}-{chr(plane * 0x10000 + 0xFFFF)}]")
    for plane in (16, 15, 13, 12, 11)
}
"""Planes of characters that are nobody's, by their first one; that of the signs must have none in the texts."""
_MOST: Final = 0x7FFF
"""Texts that there are signs for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of a conversation."""

    turn: int
    """Number of its message, from 0; -1: what may be called."""
    kind: Kind
    text: str
    """Without the white space around it, which templates trim."""


@dataclass(frozen=True, slots=True)
class Place:
    """What became of a piece."""

    span: Span | None
    """Where it stands; None: nowhere."""
    state: Literal["whole", "escaped", "altered", "absent", "twice"]


@dataclass
class Marking:
    """A conversation whose texts are taken apart, and put between signs."""

    base: int | None = 0x100000
    """The first of the signs; None: none are put."""
    keys: bool = True
    """Whether the names of arguments are texts too."""
    pieces: list[Piece] = field(default_factory=list)

    def marked(self, talk: Conversation) -> Conversation:
        """Return the conversation with signs, and keep its pieces."""
        messages = tuple(self._message(turn, message) for turn, message in enumerate(talk.messages))
        return Conversation(messages, tuple(self._tool(tool) for tool in talk.tools))

    def _message(self, turn: int, message: Message) -> Message:
        found = dict(message)
        for name in REASONING:
            thought = message.get(name)
            if isinstance(thought, str):
                found[name] = self._sign(turn, "thinking", thought)
        found["content"] = self._content(turn, message.get("content"))
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            found["tool_calls"] = [self._call(turn, call) for call in calls]
        return found

    def _content(self, turn: int, content: object) -> object:
        if isinstance(content, str):
            return self._text(turn, content)
        if not isinstance(content, list):
            return content
        return [
            part | {"text": self._text(turn, part["text"])}
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else part
            for part in content
        ]

    def _text(self, turn: int, text: str) -> str:
        if "<" not in text and "[" not in text:
            return self._sign(turn, "text", text)
        parts = _TAG.split(text)
        for place in range(0, len(parts), 2):
            before, after = parts[place - 1] if place else "", parts[place + 1] if place + 1 < len(parts) else ""
            kind: Kind = "thinking" if _OPENS.match(before) or _CLOSES.match(after) else "text"
            parts[place] = self._sign(turn, kind, parts[place])
        return "".join(parts)

    def _call(self, turn: int, call: object) -> object:
        if not isinstance(call, dict):
            return call
        if isinstance(call.get("function"), dict):
            return call | {"function": self._call(turn, call["function"])}
        found = dict(call)
        if isinstance(call.get("name"), str):
            found["name"] = self._sign(turn, "call", call["name"])
        if "arguments" in call:
            found["arguments"] = self._leaves(turn, call["arguments"])
        return found

    def _leaves(self, turn: int, value: object) -> object:
        if isinstance(value, str):
            return self._sign(turn, "call", value)
        if isinstance(value, Mapping):
            return {self._key(turn, name): self._leaves(turn, held) for name, held in value.items()}
        return [self._leaves(turn, held) for held in value] if isinstance(value, list) else value

    def _key(self, turn: int, name: object) -> object:
        return self._sign(turn, "call", name) if self.keys and isinstance(name, str) else name

    def _tool(self, tool: object) -> object:
        if not isinstance(tool, dict):
            return tool
        if isinstance(tool.get("function"), dict):
            return tool | {"function": self._tool(tool["function"])}
        kinds: dict[str, Kind] = {"name": "tool", "description": "about"}
        told = {
            name: self._sign(-1, kind, tool[name]) for name, kind in kinds.items() if isinstance(tool.get(name), str)
        }
        return tool | told

    def _sign(self, turn: int, kind: Kind, text: str) -> str:
        core = text.strip()
        if not core:
            return text
        number = len(self.pieces)
        self.pieces.append(Piece(turn, kind, core))
        if self.base is None or number >= _MOST:
            return text
        start = text.find(core)
        sign = self.base + 2 * number
        return f"{text[:start]}{chr(sign)}{core}{chr(sign + 1)}{text[start + len(core) :]}"


def places_of(talk: Conversation, whole: str, render: Callable[[Conversation], str]) -> tuple[list[Piece], list[Place]]:
    """Return every text of a conversation and where it stands in `whole`, which is what `render` makes of it."""
    base = next((base for base, pattern in _PLANES.items() if not pattern.search(whole)), None)
    # A template that puts arguments in order, or asks for one by name, is misled by signs around their names.
    for keys in (True, False):
        marking = Marking(base, keys)
        signed = marking.marked(talk)
        if base is None or len(marking.pieces) >= _MOST:
            break
        text, stood = _unsigned(render(signed), _PLANES[base])
        if text == whole:
            places = [_place(piece, whole, *_ends(stood, base, row)) for row, piece in enumerate(marking.pieces)]
            return marking.pieces, places
    return marking.pieces, _searched(marking.pieces, whole)


def _unsigned(text: str, pattern: re.Pattern[str]) -> tuple[str, dict[int, list[int]]]:
    """Return a text without signs, and where each sign stood in it."""
    kept: list[str] = []
    stood: dict[int, list[int]] = {}
    last = length = 0
    for match in pattern.finditer(text):
        kept.append(text[last : match.start()])
        length += match.start() - last
        last = match.end()
        stood.setdefault(ord(match.group()), []).append(length)
    kept.append(text[last:])
    return "".join(kept), stood


def _ends(stood: Mapping[int, list[int]], base: int, number: int) -> tuple[list[int], list[int]]:
    return stood.get(base + 2 * number, []), stood.get(base + 2 * number + 1, [])


def _place(piece: Piece, whole: str, opens: Sequence[int], closes: Sequence[int]) -> Place:
    if not opens and not closes:
        return Place(None, "absent")
    if len(opens) != len(closes) or opens[0] > closes[0]:
        return Place(None, "altered")
    span = (opens[0], closes[0])
    if len(opens) > 1 and piece.kind in ("text", "thinking"):
        return Place(span, "twice")
    written = whole[slice(*span)]
    if written == piece.text:
        return Place(span, "whole")
    return Place(span, "escaped" if written in _escaped(piece.text) else "altered")


def _escaped(text: str) -> tuple[str, ...]:
    ways = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return (*ways, html.escape(text, quote=False), html.escape(text), html.escape(text).replace("&quot;", "&#34;"))


def _searched(pieces: Sequence[Piece], whole: str) -> list[Place]:
    """Find pieces in their order; one that comes earlier than its order says is found too."""
    found: list[Place] = []
    last = 0
    for piece in pieces:
        place = _found(piece, whole, last)
        if place.span is not None and piece.kind != "about":
            last = place.span[1]
        found.append(place)
    return found


def _found(piece: Piece, whole: str, last: int) -> Place:
    for text in (piece.text, *_escaped(piece.text)):
        start = whole.find(text, last)
        start = whole.find(text) if start < 0 else start
        if start >= 0:
            return Place((start, start + len(text)), "whole" if text == piece.text else "escaped")
    return Place(None, "absent")
