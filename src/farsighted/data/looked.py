"""What a model's tokenizer and template make of the examples of some files, said before anything is cut to size."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.templates import Tokenizer
from farsighted.data.turns import every_turn
from farsighted.files.formats import Examples
from farsighted.files.readers import refuse_bad_rows
from farsighted.files.rows import BadRow, excerpt
from farsighted.models.messages import renamed
from farsighted.models.writing import UNNAMED, Seen

Look = Callable[[Example], Seen]
"""What is to be said of an example."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What becomes of an example that cannot be written whole."""

    on_bad_row: Literal["error", "skip"] = "error"
    max_bad_share: float = 0.01
    """Under skip, the tolerated share of bad rows among all, 0 to 1."""
    turns: Literal["last", "each"] = "last"
    """Which turns of the assistant are examples: each of them must be written whole."""


@dataclass
class _Tally:
    """How many examples a sentence is true of, and one of them."""

    count: dict[str, int] = field(default_factory=dict)
    first: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Sentence to the example, and what it has."""

    def add(self, sentence: str, example: Example, what: str = "") -> None:
        self.count[sentence] = self.count.get(sentence, 0) + 1
        self.first.setdefault(sentence, (example.id, what))


def looker_of(tokenizer: Tokenizer) -> Look:
    """Return what says of an example what its model would read wrongly."""
    if tokenizer.chat is not None:
        return tokenizer.chat.look

    def look(example: Example) -> Seen:
        mark = tokenizer.spelled(example.prompt) or tokenizer.spelled(example.response)
        return Seen(mark=mark, notes=(UNNAMED,) if renamed(example) else ())

    return look


def looked_over(found: Examples, look: Look, rules: Rules) -> tuple[Examples, list[str]]:
    """Return the examples that can be written whole, and sentences about what the user should know of them.

    Raises:
        DataError: One cannot, under error; too many cannot, under skip; or none can.
    """
    kept: list[Example] = []
    bad: list[BadRow] = list(found.bad_rows)
    tally = _Tally()
    for example in found.examples:
        fault = _fault_of(_seen(example, look, rules, tally))
        if not fault:
            kept.append(example)
            continue
        row = _bad_row(found.places[example.id], fault, example)
        if rules.on_bad_row == "error":
            raise DataError(
                f"Every row must be a usable example, but {row}. Mend the row, write `data.template: plain`, or write "
                "`data.on_bad_row: skip` (in `select`: --on-bad-row skip) to set such rows aside."
            )
        bad.append(row)
    if len(kept) < len(found.examples):
        refuse_bad_rows(bad, len(found.examples) + len(found.bad_rows), rules.max_bad_share)
        found = replace(found, examples=tuple(kept), bad_rows=tuple(bad))
        if not kept:
            raise DataError(f"At least one row must be a usable example, but none is. The first: {bad[0]}.")
    return found, _told(tally, len(found.examples))


def _seen(example: Example, look: Look, rules: Rules, tally: _Tally) -> Iterator[Seen]:
    for turn in every_turn(example) if rules.turns == "each" else (example,):
        seen = look(turn)
        if seen.mark:
            tally.add(_MARKS, turn, seen.mark)
        for note in seen.notes:
            tally.add(note, turn)
        yield seen


def _fault_of(looks: Iterable[Seen]) -> str:
    return next((seen.fault for seen in looks if seen.fault), "")


_MARKS = "spell marks of the tokenizer, which are read as text (rendered texts: `data.template: rendered`)"


def _told(tally: _Tally, count: int) -> list[str]:
    sentences = []
    for sentence, times in tally.count.items():
        name, what = tally.first[sentence]
        sentences.append(f"{times} of {count} examples {sentence}; the first is '{name}'{f': {what}' if what else ''}.")
    return sentences


def _bad_row(place: str, fault: str, example: Example) -> BadRow:
    file, _, line = place.rpartition(":")
    return BadRow(file, int(line), fault, excerpt(example.conversation or f"{example.prompt} / {example.response}"))
