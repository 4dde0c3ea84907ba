"""A conversation as a chat template writes it, checked: every text is there once, and the answer is what is learned.

A template may drop what it does not know, in silence. What is not found whole is asked for in other forms, and then
refused with the turn's number.

*Reference:* definitions.md#the-render-is-checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from farsighted.core.speakers import KIN_OF
from farsighted.core.values import Example
from farsighted.models.arguments import lost_of
from farsighted.models.jinja import TEMPLATE_ERRORS, Program
from farsighted.models.marks import Span
from farsighted.models.messages import Conversation, Message, conversation_of, forms_of
from farsighted.models.pieces import Piece, Place, places_of

_SHOWN: Final = 40
_MORE: Final = 8
"""Signs that are shown beyond those compared."""
_THINK: Final = ("<think", "<|begin_of_thought|>", "[THINK]", "<thought", "<reasoning", "<|channel")


class RenderError(Exception):
    """An example that the template does not write as it is; the message is to be read after its name or place."""


class _RefusalError(RenderError):
    """The template raised."""


@dataclass(frozen=True, slots=True)
class Render:
    """What a template wrote of an example."""

    text: str
    start: int
    """Where the answer begins: what stands before carries no loss."""
    end: int
    """Where the answer's own words end, and what closes it begins."""
    spans: tuple[Span, ...]
    """Where the texts of the conversation stand, in order; all else is the template's."""
    cuttable: tuple[Span, ...]
    """Those before the answer that may be shortened: of all turns but the system's."""
    dropped: bool
    """Whether the template left out what was thought in earlier turns."""
    continues: bool = False
    """Whether the prompt gives the beginning of the answer."""


def render(example: Example, program: Program) -> Render:
    """Return the example as the template writes it, in the first form that loses nothing.

    Raises:
        RenderError: No form is written whole; the fault is that of the usual one, or of the first that is not refused.
    """
    faults: list[RenderError] = []
    for form in forms_of(conversation_of(example), program.constants):
        try:
            return _render(form, program)
        except RenderError as fault:
            faults.append(fault)
    raise next((fault for fault in faults if not isinstance(fault, _RefusalError)), faults[0])


def _render(talk: Conversation, program: Program) -> Render:
    if not talk.messages:
        raise RenderError("holds no messages")
    _refuse_media(talk)
    context = replace(talk, messages=talk.messages[:-1])
    try:
        asked, whole = program.text(context, asks=True), program.text(talk, asks=False)
    except TEMPLATE_ERRORS as error:
        raise _RefusalError(f"is refused by the model's chat template: '{error}'") from error
    pieces, places = places_of(talk, whole, lambda signed: _written(signed, program))
    answer = len(talk.messages) - 1
    for piece, place in zip(pieces, places, strict=True):
        _check(piece, place, talk, answer)
    _refuse_lost(talk, whole, program)
    asked = _begun(context, program, asked, whole)
    spans = _apart([place.span for place in places if place.span is not None])
    _refuse_program_text(talk, whole, spans)
    found = [(piece, place.span) for piece, place in zip(pieces, places, strict=True) if place.span is not None]
    if talk.given:
        first, start = _after_given(talk, whole, len(asked))
    else:
        start = _start(whole, len(asked), [span for piece, span in found if piece.turn == answer], program)
        first = start
    _check_sides(found, first, talk, answer)
    return Render(
        whole,
        start,
        max((span[1] for piece, span in found if piece.turn == answer), default=start),
        spans,
        _apart([span for piece, span in found if _may_be_cut(piece, talk, answer)]),
        any(piece.kind == "thinking" and place.span is None for piece, place in zip(pieces, places, strict=True)),
        bool(talk.given),
    )


def _begun(context: Conversation, program: Program, asked: str, whole: str) -> str:
    """Return how the whole begins: with what makes the model answer, thinking as it likes, or switched off or on."""
    if whole.startswith(asked):
        return asked
    for thinks in (False, True):
        other = program.text(context, asks=True, thinks=thinks)
        if whole.startswith(other):
            return other
    raise RenderError(_changed(asked, whole))


def _written(talk: Conversation, program: Program) -> str:
    try:
        return program.text(talk, asks=False)
    except TEMPLATE_ERRORS:
        return ""


def _refuse_media(talk: Conversation) -> None:
    for number, message in enumerate(talk.messages, start=1):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type", "text") != "text":
                raise RenderError(f"has a part of type '{part.get('type')}' in turn {number}; only text can be read")


def _check(piece: Piece, place: Place, talk: Conversation, answer: int) -> None:
    """Refuse a text that is not there, or not once, or not as it was. Context may be escaped; an answer may not."""
    in_answer = piece.turn == answer
    if place.state == "whole" or piece.kind == "about":
        return
    if place.state == "escaped" and not (in_answer and piece.kind in ("text", "thinking")):
        return
    if place.state == "absent" and piece.kind == "thinking" and not in_answer:
        return
    does = {"absent": "does not write", "twice": "writes twice"}.get(place.state, "alters")
    raise RenderError(f"has {_what(piece, talk, answer)} that the model's chat template {does}: '{_short(piece.text)}'")


def _refuse_lost(talk: Conversation, whole: str, program: Program) -> None:
    """Refuse calls of which a name, a number or a truth among the arguments is not written."""
    lost = lost_of(talk, whole, lambda swapped: _written(swapped, program))
    if lost is not None:
        what = _what(Piece(lost.turn, "call", lost.text), talk, len(talk.messages) - 1)
        raise RenderError(f"has {what} that the model's chat template does not write: '{_short(lost.text)}'")


def _after_given(talk: Conversation, whole: str, asked: int) -> tuple[int, int]:
    """Return where the answer's text begins, and where what the prompt gives of it ends."""
    content = talk.messages[-1].get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    text = "".join(str(part.get("text")) for part in parts if isinstance(part, dict))
    core = text.strip()
    # What makes the model answer may open the thinking that the prompt gives.
    opened = max((whole.rfind(mark, 0, asked) for mark in _THINK if core.startswith(mark)), default=-1)
    first = opened if opened >= 0 and whole.startswith(core, opened) else whole.find(core, asked)
    if first < 0:
        raise RenderError(
            "has an answer that its prompt begins (the prompt ends in the assistant's turn), which the model's chat "
            f"template does not write as one text: '{_short(core)}'"
        )
    given = len(talk.given) - (len(text) - len(text.lstrip()))
    return first, first + min(max(given, 0), len(core))


def _what(piece: Piece, talk: Conversation, answer: int) -> str:
    if piece.turn < 0:
        return "a tool"
    kind = {"thinking": "thinking", "call": "a call"}.get(piece.kind, "a text")
    role = talk.messages[piece.turn].get("role")
    return f"{kind} in turn {piece.turn + 1} ({role}{', the answer' if piece.turn == answer else ''})"


def _refuse_program_text(talk: Conversation, whole: str, found: Sequence[Span]) -> None:
    """Refuse lists and objects that a template put out as Python writes them: it expected texts."""
    for number, message in enumerate(talk.messages, start=1):
        held = [message.get("content"), *(_arguments(call) for call in _calls(message))]
        printed = [str(value) for value in held if isinstance(value, (list, dict)) and value]
        if any(text in whole for text in printed):
            raise RenderError(f"has turn {number}, whose parts the model's chat template writes as program text")
        if "content" in message and message["content"] is None and "None" in _outside(whole, found):
            raise RenderError(f"has turn {number} without content, for which the model's chat template writes 'None'")


def _calls(message: Message) -> Sequence[object]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else ()


def _arguments(call: object) -> object:
    held = call.get("function", call) if isinstance(call, dict) else None
    return held.get("arguments") if isinstance(held, dict) else None


def _outside(whole: str, spans: Sequence[Span]) -> str:
    edges = [0, *(edge for span in spans for edge in span), len(whole)]
    return "\n".join(whole[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _spelled(text: str) -> str:
    """A text with its line breaks in sight."""
    return text.replace("\n", "\\n")


def _changed(asked: str, whole: str) -> str:
    same = next((at for at, (one, other) in enumerate(zip(asked, whole, strict=False)) if one != other), len(whole))
    line = asked.rfind("\n", 0, same) + 1
    opened, written = asked[line:], whole[line:]
    begun = min((place for mark in _THINK if (place := opened.find(mark)) >= 0), default=-1)
    if begun >= 0 and any(written.startswith(mark, begun) for mark in _THINK):
        return (
            "has an answer whose thinking begins otherwise than the model's chat template makes the model begin: "
            f"'{_spelled(written[begun : len(opened) + _MORE])}' and not '{_spelled(opened[begun:])}', where a line "
            "break counts"
        )
    if begun >= 0:
        return (
            f"has an answer without the thinking that the model's chat template makes the model begin with "
            f"('{_short(opened)}')"
        )
    return "is written by the model's chat template in other words once the answer is there: they cannot be told apart"


def _start(whole: str, asked: int, answer: Sequence[Span], program: Program) -> int:
    """Where the loss begins.

    A template that writes nothing to make the model answer heads the answer itself: that head is context. A space
    before the answer is the answer's.
    """
    first = min((span[0] for span in answer), default=asked)
    head = whole[asked:first]
    if not head.strip() or program.asks:
        return asked
    thought = min((place for mark in _THINK if (place := head.find(mark)) >= 0), default=len(head))
    return asked + len(head[:thought].rstrip(" "))


def _check_sides(found: Sequence[tuple[Piece, Span]], start: int, talk: Conversation, answer: int) -> None:
    for piece, span in found:
        what = _what(piece, talk, answer)
        if piece.turn == answer and span[0] < start:
            raise RenderError(f"has {what} that is not wholly in the loss: '{_short(piece.text)}'")
        if piece.turn != answer and span[1] > start and piece.kind != "about":
            raise RenderError(f"has {what} that is written after the answer begins: '{_short(piece.text)}'")


def _apart(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order, none inside another."""
    kept: list[Span] = []
    for span in sorted(spans):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return tuple(kept)


def _may_be_cut(piece: Piece, talk: Conversation, answer: int) -> bool:
    return (
        piece.kind == "text"
        and 0 <= piece.turn < answer
        and talk.messages[piece.turn].get("role") not in KIN_OF["system"]
    )
