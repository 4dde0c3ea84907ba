"""Texts that are rendered already: their marks are tokens, and nothing is added."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.models.jinja import Program
from farsighted.models.marks import MarkReader
from farsighted.models.writing import Seen, Written

_HEAD: Final = 200
"""Signs that a text's first tokens stand in."""
_TURNS: Final = "holds turns, which are not rendered yet; write `data.template: chat` (in `select`: --template chat)"
_GOES_ON: Final = "goes on after the answer with another turn, which would be learned; end it with the answer"
_UNANSWERED: Final = "ends where the answer is to begin; write the answer after it"


@dataclass(frozen=True)
class RenderedText:
    """Reads the marks in texts as tokens, and adds none.

    A text without a prompt is parted where its last answer begins, if the chat template says what stands there; else
    all of it is learned.
    """

    reader: MarkReader
    begin_ids: tuple[int, ...]
    """What the tokenizer would put before a text."""
    end_ids: frozenset[int]
    """Tokens that may close an answer."""
    headers: tuple[str, ...] = ()
    """What may stand before an answer, the surest first; empty where the tokenizer has no template."""
    asks_again: str = ""
    """What stands between an answer and the user's next words; empty where that cannot be told."""

    def encode(self, example: Example) -> Written:
        """Return prompt and response as they stand.

        Raises:
            DataError: Turns, a text without an answer or with a turn after it, or one without tokens.
        """
        prompt, response = self._parted(example)
        fault = self._fault(example, prompt, response)
        if fault:
            raise DataError(f"Under `data.template: rendered` every example must be text, but '{example.id}' {fault}.")
        prompt_ids, ids = self.reader.read(prompt).ids, self.reader.read(response).ids
        if not prompt_ids:
            # Nothing stands before a first token that could foretell it.
            prompt_ids, ids = ids[:1], ids[1:]
        if not ids:
            raise DataError(f"The text of '{example.id}' must become two tokens, but does not. Mend or remove it.")
        return Written(prompt_ids, ids, tuple)

    def look(self, example: Example) -> Seen:
        """Say what an example lacks that is not added."""
        prompt, response = self._parted(example)
        fault = self._fault(example, prompt, response)
        if fault:
            return Seen(fault=fault)
        lacks = {
            "spell no mark of the tokenizer": not self.reader.spelled(prompt + response),
            "do not begin as the tokenizer begins a text, and nothing is added": not self._begins(prompt or response),
            "end without an end token, and none is added": not response.endswith(self._ends),
            "do not say where the last answer begins: all of the text is learned": not prompt,
        }
        return Seen(notes=tuple(note for note, lacking in lacks.items() if lacking))

    def _fault(self, example: Example, prompt: str, response: str) -> str:
        if example.turns or example.conversation:
            return _TURNS
        if any(response.rstrip().endswith(header.strip()) for header in self.headers):
            return _UNANSWERED
        return _GOES_ON if (prompt or self._answers(response)) and self._goes_on(response) else ""

    def _answers(self, text: str) -> bool:
        return any(header in text for header in self._heads)

    def _goes_on(self, response: str) -> bool:
        """Whether a response holds more than what the assistant says: what opens another turn, or more past its end."""
        if not self._heads:
            return False
        alone = response
        for head in self._heads:
            alone = alone.replace(head, "")
        again = self.asks_again.strip()
        if (again and again in alone) or any(mark in alone for mark in self._openers):
            return True
        after = self._ended.split(response)[1:] if self._ends else []
        return any(text.strip() and not text.lstrip().startswith(self._heads) for text in after)

    @cached_property
    def _ended(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(mark) for mark in sorted(self._ends, key=len, reverse=True)))

    @cached_property
    def _heads(self) -> tuple[str, ...]:
        """What stands before an answer, without what closes the turn before it."""
        bare = (self._ended.split(header)[-1] if self._ends else header for header in self.headers)
        return tuple(dict.fromkeys(head.strip() for head in bare if head.strip()))

    @cached_property
    def _openers(self) -> frozenset[str]:
        """The marks that open a turn: the first of an answer's head, and of the user's where that lacks it."""
        again = self._ended.split(self.asks_again)[-1] if self._ends else self.asks_again
        opener, other = (self.reader.spelled(head) for head in (self._heads[0], again))
        return frozenset(mark for mark in (opener, "" if opener and opener in again else other) if mark)

    @cached_property
    def _ends(self) -> tuple[str, ...]:
        return tuple(mark for mark, number in self.reader.marks.items() if number in self.end_ids)

    def _begins(self, text: str) -> bool:
        begin = list(self.begin_ids)
        return not begin or self.reader.read(text[:_HEAD]).ids[: len(begin)] == begin

    def _parted(self, example: Example) -> tuple[str, str]:
        """Return prompt and response; white space after the token that closes the response is left out."""
        kept = example.response.rstrip()
        response = kept if kept.endswith(self._ends) else example.response
        if example.prompt:
            return example.prompt, response
        for header in self.headers:
            before, found, answer = response.rpartition(header)
            if found and answer.strip():
                return before + header, answer
        return "", response


def answer_headers(program: Program) -> tuple[str, ...]:
    """Return what a template writes before an answer: to make the model answer, and after the user's words."""
    asking, between = program.answer_header
    return tuple(dict.fromkeys(header for header in (asking, between.strip(" ")) if header.strip()))
