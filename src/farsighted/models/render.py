"""A conversation as a chat template writes it, checked: every text is there once, and the answer is what is learned.

A template may drop what it does not know, in silence. What is not found whole is asked for in other forms, and then
refused with the turn's number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from farsighted.core.values import Example
from farsighted.models.jinja import TEMPLATE_ERRORS, Program
from farsighted.models.messages import Conversation, conversation_of, forms_of
from farsighted.models.pieces import Piece, Place, Span, places_of

_SHOWN: Final = 40
_THINK: Final = ("<think", "<|begin_of_thought|>", "[THINK]", "<reasoning", "<|channel")
_CONTEXT: Final = ("system", "developer")


class RenderFault(Exception):
    """An example that the template does not write as it is; the message is to be read after its name or place."""


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


def render(example: Example, program: Program) -> Render:
    """Return the example as the template writes it, in the first form that loses nothing.

    Raises:
        RenderFault: No form is written whole; the fault is that of the usual one.
    """
    first: RenderFault | None = None
    for form in forms_of(conversation_of(example), program.constants):
        try:
            return _render(form, program)
        except RenderFault as fault:
            first = first or fault
    raise first or RenderFault("holds no messages")


def _render(talk: Conversation, program: Program) -> Render:
    if not talk.messages:
        raise RenderFault("holds no messages")
    _refuse_media(talk)
    context = Conversation(talk.messages[:-1], talk.tools)
    try:
        asked, whole = program.text(context, asks=True), program.text(talk, asks=False)
    except TEMPLATE_ERRORS as error:
        raise RenderFault(f"is refused by the model's chat template: {error}") from error
    pieces, places = places_of(talk, whole, lambda signed: _written(signed, program))
    answer = len(talk.messages) - 1
    for piece, place in zip(pieces, places, strict=True):
        _check(piece, place, talk, answer)
    if not whole.startswith(asked):
        raise RenderFault(_changed(asked, whole))
    found = [(piece, place.span) for piece, place in zip(pieces, places, strict=True) if place.span is not None]
    start = _start(whole, len(asked), [span for piece, span in found if piece.turn == answer], program)
    _check_sides(found, start, talk, answer)
    return Render(
        whole,
        start,
        max((span[1] for piece, span in found if piece.turn == answer), default=start),
        _apart([span for _, span in found]),
        _apart([span for piece, span in found if _may_be_cut(piece, talk, answer)]),
        any(piece.kind == "thinking" and place.span is None for piece, place in zip(pieces, places, strict=True)),
    )


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
                raise RenderFault(f"has a part of type '{part.get('type')}' in turn {number}; only text can be read")


def _check(piece: Piece, place: Place, talk: Conversation, answer: int) -> None:
    """Refuse a text that is not there, or not once, or not as it was. Context may be escaped; an answer may not."""
    in_answer = piece.turn == answer
    if place.state == "whole" or piece.kind == "about":
        return
    if place.state == "escaped" and not (in_answer and piece.kind in ("text", "thinking")):
        return
    if place.state == "absent" and piece.kind == "thinking" and not in_answer:
        return
    what = f"{_what(piece, talk, answer)} ('{_short(piece.text)}')"
    told = {
        "absent": f"{what} is not in what the model's chat template writes",
        "twice": f"{what} is written twice by the model's chat template",
    }
    raise RenderFault(told.get(place.state, f"{what} is altered by the model's chat template"))


def _what(piece: Piece, talk: Conversation, answer: int) -> str:
    if piece.turn < 0:
        return "a tool's name"
    kind = {"thinking": "the thinking of ", "call": "a call in "}.get(piece.kind, "")
    role = talk.messages[piece.turn].get("role")
    return f"{kind}turn {piece.turn + 1} ({role}{', the answer' if piece.turn == answer else ''})"


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _changed(asked: str, whole: str) -> str:
    same = next((at for at, (one, other) in enumerate(zip(asked, whole, strict=False)) if one != other), len(whole))
    opened = asked[same:]
    if any(mark in opened for mark in _THINK):
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
        if piece.turn == answer and span[0] < start:
            raise RenderFault(f"{_what(piece, talk, answer)} ('{_short(piece.text)}') is not wholly in the loss")
        if piece.turn != answer and span[1] > start and piece.kind != "about":
            raise RenderFault(f"{_what(piece, talk, answer)} ('{_short(piece.text)}') is written after the answer begins")


def _apart(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order, none inside another."""
    kept: list[Span] = []
    for span in sorted(spans):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return tuple(kept)


def _may_be_cut(piece: Piece, talk: Conversation, answer: int) -> bool:
    return piece.kind == "text" and 0 <= piece.turn < answer and talk.messages[piece.turn].get("role") not in _CONTEXT
