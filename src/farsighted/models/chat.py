"""Chat templates of tokenizers: turns to tokens, with the loss on the last assistant turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.models.jinja import TEMPLATE_ERRORS, Program
from farsighted.models.marks import MarkReader, Read, Span
from farsighted.models.messages import renamed
from farsighted.models.render import Render, RenderError, render
from farsighted.models.writing import UNNAMED, Seen, Written

Turn = tuple[str, str]
"""Role and text."""

_BRACKETS: Final = frozenset("<[|")
_SHORTEST: Final = 3
"""A header of fewer signs says nothing."""
_DROPPED: Final = "hold thinking in earlier turns, which the model's chat template leaves out"
_CONTINUED: Final = (
    "have a prompt that ends in the assistant's turn: the answer continues it, with nothing written between"
)
_NO_PROMPT: Final = "have no prompt: the chat template writes an empty turn of the user before their text"


@dataclass(frozen=True)
class ChatTemplate:
    """A tokenizer's template, and the tokenizer as it reads rendered text: special tokens are tokens."""

    program: Program
    reader: MarkReader
    end_id: int
    end_ids: frozenset[int]
    """Tokens that end an answer; see `models.ends`."""
    _closings: dict[str, int | None] = field(default_factory=dict, compare=False)

    def encode(self, example: Example) -> Written:
        """Return ids of everything up to the answer, and of the answer with the token that closes it.

        Raises:
            DataError: The template refuses the example, loses a part of it, or writes an answer differently once it is
                there.
        """
        try:
            found = self._checked(example)
            return self._tokens(found)
        except RenderError as fault:
            raise DataError(
                f"Every example must be written whole, but '{example.id}' {fault}. Mend its turns, or write "
                "`data.template: plain` (in `select`: --template plain)."
            ) from fault

    def written(self, name: str, turns: Sequence[Turn], asks: bool) -> str:
        """Return turns as the template writes them; `asks`: with what makes the model answer.

        Raises `DataError`, naming the example, where the template refuses them.
        """
        try:
            return self.program.write(tuple({"role": role, "content": text} for role, text in turns), (), asks)
        except TEMPLATE_ERRORS as error:
            raise DataError(
                f"The model's chat template refuses '{name}': {error}. Mend its turns, or write `data.template: plain`."
            ) from error

    def read(self, text: str) -> list[int]:
        """Return the ids of rendered text, in which the tokenizer's own marks are tokens."""
        return self.reader.read(text).ids

    def look(self, example: Example) -> Seen:
        """Render the example, and say what came of it."""
        try:
            found = self._checked(example)
            mark = self._mark(found)
            if mark:
                self._tokens(found)
        except RenderError as fault:
            return Seen(fault=str(fault))
        notes = {
            _DROPPED: found.dropped,
            _CONTINUED: found.continues,
            _NO_PROMPT: not (example.prompt.strip() or example.turns or example.conversation),
            UNNAMED: self._loses_names(example, found),
        }
        return Seen(mark=mark, notes=tuple(note for note, holds in notes.items() if holds))

    def _loses_names(self, example: Example, found: Render) -> bool:
        """Tell whether the names of who speaks may be others without any change of the text."""
        other = renamed(example)
        try:
            return other is not None and render(other, self.program).text == found.text
        except RenderError:
            return False

    def _checked(self, example: Example) -> Render:
        found = render(example, self.program)
        for span in found.spans if self._header else ():
            text = found.text[slice(*span)]
            if self._header in text and (text.startswith(self._header) or self.reader.pattern.match(text)):
                raise RenderError(
                    f"is rendered already: its text has the '{self._header}' of the model's chat template, which would "
                    "be written twice; write `data.template: rendered` (in `select`: --template rendered)"
                )
        return found

    def _mark(self, found: Render) -> str:
        marks = (self.reader.pattern.search(found.text, *span) for span in found.spans)
        return next((mark.group() for mark in marks if mark is not None), "")

    @cached_property
    def _header(self) -> str:
        """What stands before every word of the user, whichever turn it is."""
        first, later = self.program.user_header
        same = 0
        while same < min(len(first), len(later)) and first[-1 - same] == later[-1 - same]:
            same += 1
        cut = len(first) - same
        for mark in self.reader.pattern.finditer(first):
            closes = mark.start() == cut and self.reader.marks[mark.group()] in self.end_ids
            if closes or mark.start() < cut < mark.end():
                cut = mark.end()
        header = first[cut:].strip()
        # Words alone ("user:") may begin anybody's text.
        return header if len(header) >= _SHORTEST and _BRACKETS & set(header) else ""

    def _tokens(self, found: Render) -> Written:
        spans = _within(found.spans, 0, found.start)
        prompt = self._read(found.text[: found.start], spans)

        def cuttable() -> Sequence[int]:
            # Where a text stands once marks are veiled is known by its number.
            may_go = [moved for span, moved in zip(spans, prompt.spans, strict=True) if span in found.cuttable]
            return _places(prompt.offsets(), may_go)

        return Written(prompt.ids, self._answer(found, prompt.ids), cuttable)

    def _answer(self, found: Render, prompt_ids: Sequence[int]) -> list[int]:
        left_out = self._closing(found.text[found.end :])
        if left_out is None:
            text = found.text[: len(found.text.rstrip())]
            return [*self._after(text, found, prompt_ids), self.end_id]
        ids = self._after(found.text, found, prompt_ids)
        return ids[: len(ids) - left_out]

    def _after(self, text: str, found: Render, prompt_ids: Sequence[int]) -> list[int]:
        """Return the tokens of the answer, read after the prompt where the tokenizer heeds what comes before."""
        if self.reader.adds_prefix:
            ids = self._read(text, found.spans).ids
            if ids[: len(prompt_ids)] == list(prompt_ids):
                return ids[len(prompt_ids) :]
        return self._read(text[found.start :], _within(found.spans, found.start, len(text))).ids

    def _closing(self, text: str) -> int | None:
        """Return how many tokens follow the one that closes an answer; None where none closes it."""
        if text not in self._closings:
            ids = self._read(text).ids
            ends = [place for place, token in enumerate(ids) if token in self.end_ids]
            self._closings[text] = len(ids) - ends[0] - 1 if ends else None
        return self._closings[text]

    def _read(self, text: str, spans: Sequence[Span] = ()) -> Read:
        try:
            return self.reader.read(text, spans)
        except DataError as error:
            raise RenderError(str(error)) from error


def _within(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """Return the parts of spans from `start` to `end`, counted from `start`."""
    clipped = ((max(first, start) - start, min(last, end) - start) for first, last in spans)
    return [(first, last) for first, last in clipped if first < last]


def _places(offsets: Sequence[Span], spans: Sequence[Span]) -> tuple[int, ...]:
    """Return the tokens that stand for signs of the spans alone."""
    found: list[int] = []
    place = 0
    for start, end in spans:
        while place < len(offsets) and offsets[place][0] < start:
            place += 1
        while place < len(offsets) and offsets[place][1] <= end:
            found.append(place)
            place += 1
    return tuple(found)
