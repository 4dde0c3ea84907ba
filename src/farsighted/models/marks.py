"""A tokenizer's own marks (special tokens), where a template writes them and where a text only spells them.

*Reference:* definitions.md#marks-in-texts.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tokenizers import Tokenizer

from farsighted.core.errors import DataError

Span = tuple[int, int]
"""First character, and the one after the last."""

_ALIASES: Final = 0x100000
"""Characters that stand for marks: nobody's, in a plane of its own."""


def as_marks(tokenizer: Tokenizer, ids: Iterable[int]) -> Tokenizer:
    """Return a tokenizer to which some of its added tokens are special; itself where they are.

    Some tokenizers add the marks that close turns as plain words, so that a text which spells one would end the answer.
    """
    added = tokenizer.get_added_tokens_decoder()
    plain = {number for number in ids if number in added and not added[number].special}
    if not plain:
        return tokenizer
    told = json.loads(tokenizer.to_str())
    for token in told["added_tokens"]:
        token["special"] = token["special"] or token["id"] in plain
    made = Tokenizer.from_str(json.dumps(told))
    made.encode_special_tokens = tokenizer.encode_special_tokens
    return made


@dataclass(frozen=True, slots=True)
class Read:
    """A text as tokens."""

    ids: list[int]
    spans: list[Span]
    """The spans that were given, in the text that `offsets` count in."""
    offsets: Callable[[], list[Span]]
    """Gives the characters that each token stands for."""


@dataclass(frozen=True)
class MarkReader:
    """Reads rendered text: a mark is a token where the template writes it, and text where a text spells it."""

    tokenizer: Tokenizer
    """Reads every mark as a token."""

    @cached_property
    def marks(self) -> dict[str, int]:
        """Spelling of each mark to its id."""
        added = self.tokenizer.get_added_tokens_decoder()
        return {token.content: int(number) for number, token in added.items() if token.special and token.content}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds a mark in a text, the longest that begins at a place."""
        spelled = sorted(self.marks, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, spelled)) if spelled else r"(?!)")

    @cached_property
    def adds_prefix(self) -> bool:
        """Whether a text becomes other tokens where it is read after another: what precedes it must be read too."""
        return self.read("\na").ids != self.read("\n").ids + self.read("a").ids

    def spelled(self, text: str) -> str:
        """Return the first mark that a text spells, or nothing."""
        found = self.pattern.search(text)
        return found.group() if found else ""

    def read(self, text: str, spans: Sequence[Span] = ()) -> Read:
        """Return the tokens of a text; marks inside `spans` are text.

        Raises:
            DataError: The tokenizer knows no way to read a mark as text.
        """
        if not any(self.pattern.search(text, *span) for span in spans):
            encoding = self.tokenizer.encode(text, add_special_tokens=False)
            return Read(encoding.ids, list(spans), lambda: encoding.offsets)
        veiled, moved, marks = self._veiled(text, spans)
        tokenizer, id_of = self._veiling
        encoding = tokenizer.encode(veiled, add_special_tokens=False)
        ids = [id_of.get(token, token) for token in encoding.ids]
        if sum(token in self._special for token in ids) != marks:
            raise DataError(f"spells the mark '{self._first(text, spans)}', which its tokenizer cannot read as text")
        return Read(ids, moved, lambda: encoding.offsets)

    def _first(self, text: str, spans: Sequence[Span]) -> str:
        found = (self.pattern.search(text, *span) for span in spans)
        return next(match.group() for match in found if match is not None)

    def _veiled(self, text: str, spans: Sequence[Span]) -> tuple[str, list[Span], int]:
        """Write an alias for each mark outside of the spans; return the text, its spans and the number of aliases."""
        kept: list[str] = []
        moved: list[Span] = []
        length = last = count = 0
        for start, end in [*sorted(spans), (len(text), len(text))]:
            between, found = self.pattern.subn(lambda match: self._alias_of[match.group()], text[last:start])
            length += len(between)
            moved.append((length, length + end - start))
            kept.extend((between, text[start:end]))
            length, last, count = length + end - start, end, count + found
        return "".join(kept), moved[:-1], count

    @cached_property
    def _alias_of(self) -> dict[str, str]:
        return {mark: chr(_ALIASES + place) for place, mark in enumerate(self.marks)}

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(self.marks.values())

    @cached_property
    def _veiling(self) -> tuple[Tokenizer, dict[int, int]]:
        """The tokenizer with unspeakable marks, and what its ids of them are in the real one."""
        told = json.loads(self.tokenizer.to_str())
        for token in told["added_tokens"]:
            token["content"] = self._alias_of.get(token["content"], token["content"])
        told["post_processor"] = None
        veiling = Tokenizer.from_str(json.dumps(told))
        ids = {veiling.token_to_id(alias): self.marks[mark] for mark, alias in self._alias_of.items()}
        return veiling, {int(theirs): ours for theirs, ours in ids.items() if theirs is not None}
