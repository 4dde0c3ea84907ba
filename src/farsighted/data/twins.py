"""Examples of a set that repeat an earlier one of it.

*Reference:* definitions.md#repeats.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from farsighted.core.values import Example
from farsighted.store.atomic import write_text

Dedup = Literal["exact", "near", "none"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """An example that was left out because it repeats another one."""

    id: str
    place: str
    """Its "file:line"."""
    twin: str
    """Id of the example that stays in its place."""
    twin_place: str
    similarity: float
    """1 for an exact repeat; else the least similarity of any pair of turns, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A row that repeats an earlier one."""

    row: int
    of: int
    """The first row that it repeats."""
    similarity: float


def find_twins(examples: Sequence[Example], dedup: Dedup) -> tuple[Twin, ...]:
    """Return the rows that repeat an earlier row, in file order; the first of twins is never among them.

    `exact`: rows with the same turns and response (`exact_key`) and the same choices to compare. `near`: these, and of
    what is left the rows that `near_twins` names. `none`: none.
    """
    if dedup == "none":
        return ()
    first: dict[tuple[bytes, tuple[str, ...]], int] = {}
    rows: list[int] = []
    twins: list[Twin] = []
    for row, example in enumerate(examples):
        of = first.setdefault((exact_key(example), example.choices), row)
        if of == row:
            rows.append(row)
        else:
            twins.append(Twin(row, of, 1.0))
    if dedup == "near":
        # The library behind it takes as long to import as all else that a command starts with.
        from farsighted.data.near import near_twins

        found = near_twins([_with_choices(examples[row]) for row in rows])
        near = {rows[row]: Twin(rows[row], rows[of], similarity) for row, (of, similarity) in found.items()}
        # An exact repeat of what is dropped now is told as a repeat of what stays.
        twins = [
            Twin(twin.row, near[twin.of].of, near[twin.of].similarity) if twin.of in near else twin for twin in twins
        ]
        twins += near.values()
    return tuple(sorted(twins, key=lambda twin: twin.row))


def exact_key(example: Example) -> bytes:
    r"""Return what exact repeats share: roles and texts of all turns, the response, and the worse response if any.

    Unicode form, ends of lines and white space around a text do not count; letter case and all else does. Labels, ids
    and what answers are graded against are no part of it.

    >>> exact_key(Example("a", "2 + 2 =", "4")) == exact_key(Example("b", " 2 + 2 =\r\n", "4", quality=1.0))
    True
    """
    parts = [[role, _plain(text)] for role, text in spoken(example)]
    text = json.dumps([parts, example.conversation], ensure_ascii=False)
    # A text may hold half a surrogate pair.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def spoken(example: Example) -> tuple[tuple[str, str], ...]:
    """Return role and text of every turn, the response last, and behind it the worse response where there is one."""
    turns = (*(example.turns or (("user", example.prompt),)), ("assistant", example.response))
    return (*turns, ("rejected", example.gold.rejected)) if example.gold.rejected else turns


def _with_choices(example: Example) -> tuple[tuple[str, str], ...]:
    choices = (("choices", "\n".join(example.choices)),) if example.choices else ()
    return (*spoken(example), *choices)


def count_repeats(examples: Iterable[Example]) -> int:
    """Return how many examples are exact repeats of an earlier one."""
    seen: set[tuple[bytes, tuple[str, ...]]] = set()
    total = 0
    for example in examples:
        total += 1
        seen.add((exact_key(example), example.choices))
    return total - len(seen)


def count_shared(examples: Iterable[Example], others: Iterable[Example]) -> int:
    """Return how many of `examples` are exact repeats of one of `others`."""
    seen = {exact_key(example) for example in others}
    return sum(exact_key(example) in seen for example in examples)


def write_dropped(path: Path, dropped: Iterable[Dropped]) -> None:
    """Write what was left out as JSON lines, replacing the file."""
    write_text(path, "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in dropped))


def _plain(text: str) -> str:
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return "\n".join(text.splitlines()).strip() if "\r" in text else text.strip()
