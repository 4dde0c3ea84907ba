"""Rows in the shapes that users know, to examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.files.causes import no_header
from farsighted.files.columns import NO_COLUMNS, Columns, advice_on, names_in, under_our_names
from farsighted.files.fields import Fields, SetAsideError, UnfitError, UnknownShapeError, without_nulls
from farsighted.files.gold import GOLD_FIELDS, gold_of
from farsighted.files.labels import LABELS, Unreadable, with_labels
from farsighted.files.notes import Told
from farsighted.files.readers import SUFFIXES, read_rows, refuse_bad_rows
from farsighted.files.rows import BadRow, Row, excerpt
from farsighted.files.sampling import BottomSample
from farsighted.files.shapes import Said, said_in

Ids = Literal["field", "row"]
TABLES: Final = frozenset({".parquet", ".arrow"})
_KNOWN: Final = frozenset({"id", "meta", *LABELS, *GOLD_FIELDS})
"""Fields beside the text that are read."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What some files held."""

    examples: tuple[Example, ...]
    """Good rows, in file order, ids distinct."""
    places: Mapping[str, str]
    """Id to "file:line"."""
    bad_rows: tuple[BadRow, ...] = ()
    """Rows that were set aside."""
    names: frozenset[str] = frozenset()
    """Names of fields in all rows, where columns were asked for."""
    cut: frozenset[str] = frozenset()
    """Ids of examples that are not the last turn of their conversation (see `data.turns`)."""
    notes: tuple[str, ...] = ()
    """Sentences about fields that nothing reads, labels that cannot be read, and rows that forbid training on them."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that says of itself that it is not to be trained on."""

    mark: str
    """By which it says so: "label false"."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one row is, and what of it was not read."""

    outcome: Example | BadRow | SetAside
    unread: frozenset[str] = frozenset()
    wrong: tuple[Unreadable, ...] = ()
    left_out: str = ""
    """The mark on the last answer, where the example ends with an earlier one."""
    doubt: str = ""
    """What of the answer may be no answer."""
    thought: str = ""
    """The name of what is learned before the answer."""
    compared: bool = False
    """Whether its choices are compared with the answer, and are not added to the prompt."""


def read_examples(
    files: Sequence[Path],
    on_bad_row: Literal["error", "skip"] = "error",
    max_bad_share: float = 0.01,
    columns: Columns = NO_COLUMNS,
    sample: BottomSample[Example] | None = None,
    ids: Ids = "field",
) -> Examples:
    """Return the examples of files.

    Files are read a row at a time. What is kept is all there is, or a sample of a stated size, whose memory does not
    grow with the files; ids are then compared within the sample alone.

    Args:
        files: Data files, read in this order.
        on_bad_row: Stop at the first bad row, or set bad rows aside (a second row of the same id is one).
        max_bad_share: Under skip, the tolerated share of bad rows among all, 0 to 1.
        columns: Our field to the name that the files have for it; see `to_example`.
        sample: Empty; keeps the examples that are returned. None: all are.
        ids: Where ids come from: the field `id` where a row has one, or always file and row.

    Raises:
        DataError: A bad row under error, too many under skip, a damaged file, or no rows at all.
    """
    desk = _Desk(columns, ids, sample)
    bad_rows: list[BadRow] = []
    for row in read_rows(files):
        bad = row if isinstance(row, BadRow) else desk.take(row)
        if bad is None:
            continue
        if on_bad_row == "error":
            raise DataError(
                f"Every row must be a usable example, but {bad}. Mend the row, or write `data.on_bad_row: skip` "
                "(in `select`: --on-bad-row skip) to set such rows aside."
            )
        bad_rows.append(bad)
    refuse_bad_rows(bad_rows, desk.good + len(bad_rows), max_bad_share)
    examples = desk.examples if sample is None else sample.items()
    if not examples:
        names = ", ".join(f"'{file}'" for file in files[:3])
        first = f" The first row that was set aside: {bad_rows[0]}." if bad_rows else ""
        aside = f" {desk.told.set_aside()}." if desk.told.set_aside() else ""
        raise DataError(
            f"Data files must hold at least one example, but {names} hold none. Mend or leave out the path."
            f"{first}{aside}"
        )
    return Examples(tuple(examples), desk.places, tuple(bad_rows), frozenset(desk.met), notes=desk.told.sentences())


class _Desk:
    """What is kept while rows are read."""

    def __init__(self, columns: Columns, ids: Ids, sample: BottomSample[Example] | None) -> None:
        self.examples: list[Example] = []
        self.places: dict[str, str] = {}
        self.met: set[str] = set()
        self.told = Told()
        self.good = 0
        self._columns = columns
        self._ids = ids
        self._sample = sample

    def take(self, row: Row) -> BadRow | None:
        """Keep what a row holds, or return the bad row that it is."""
        if self._columns:
            self.met |= names_in(row.fields)
        found = found_in(row, self._columns, self._ids)
        if isinstance(found.outcome, SetAside):
            self.told.aside(row, found.outcome.mark)
            return None
        outcome = found.outcome if isinstance(found.outcome, BadRow) else self._distinct(row, found.outcome)
        if isinstance(outcome, BadRow):
            return outcome
        self._tell(row, found)
        self.good += 1
        if self._sample is None:
            self.examples.append(outcome)
        elif (left_out := self._sample.add(self.places[outcome.id], outcome)) is not None:
            self.places.pop(left_out.id)
        return None

    def _tell(self, row: Row, found: Found) -> None:
        self.told.example(row, found.unread, found.wrong)
        if found.thought:
            self.told.thought(row, found.thought)
        if found.compared:
            self.told.compared(row)
        if found.left_out:
            self.told.ended(row, found.left_out)
        if found.doubt:
            self.told.doubt(row, found.doubt)

    def _distinct(self, row: Row, found: Example) -> Example | BadRow:
        """Note the place of an id; a second row of the same id is a bad row."""
        own = self._ids == "field" and under_our_names(row.fields, self._columns).get("id") is not None
        if found.id in self.places and not own:
            # Files of one name in two folders: the folder tells their rows apart.
            found = replace(found, id=f"{row.file.parent.name}/{row.file.name}:{row.line}")
        place = self.places.setdefault(found.id, row.place)
        if place != row.place:
            return _bad(
                row,
                f"has the id '{found.id}', which {place} has already; give it another, or write `data.ids: row` (in "
                "`select`: --ids row) for ids by file and row",
            )
        return found


def to_example(row: Row, columns: Columns = NO_COLUMNS) -> Example | BadRow | SetAside:
    """Return the example that a row holds; its shape is found by its fields (see `files.shapes`).

    `columns` says which field of the row stands for one of ours: {"prompt": "ask", "quality": "score"}.

    Metadata stand in `meta` or beside the text: cluster (or category), difficulty, quality, source, choices with
    answer_index, and what answers are graded against (see `files.gold`). Null counts as absent, and so does what cannot
    be read. Without `id` the id is "<file name>:<line>", with the folder and the suffix where two files have one name.
    """
    return found_in(row, columns).outcome


def found_in(row: Row, columns: Columns = NO_COLUMNS, ids: Ids = "field") -> Found:
    """Return what a row is, with the fields of it that nothing reads; see `to_example`."""
    try:
        return _example(row, columns, ids)
    except SetAsideError as error:
        return Found(SetAside(str(error)))
    except UnknownShapeError as error:
        return Found(_bad(row, no_header(row.file, row.fields) or f"{error}{advice_on(row.fields, columns)}"))
    except UnfitError as error:
        return Found(_bad(row, str(error)))


def _bad(row: Row, reason: str) -> BadRow:
    return BadRow(str(row.file), row.line, reason, excerpt(json.dumps(row.fields, default=str, ensure_ascii=False)))


def _example(row: Row, columns: Columns, ids: Ids) -> Found:
    fields = under_our_names(row.fields, columns)
    if row.file.suffix in TABLES:
        fields = {name: without_nulls(value) for name, value in fields.items()}
    said = said_in(fields, frozenset(columns.values()) - columns.keys())
    talk = said.talk
    if not talk.response.strip():
        raise UnfitError("has an empty response; a response must hold at least one visible character")
    meta = fields.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    known = {**{name: value for name, value in inner.items() if value is not None}, **fields}
    gold = gold_of({name: value for name, value in known.items() if name != "answers" or name not in said.read})
    example, wrong = with_labels(
        Example(
            id=_id(row, fields if ids == "field" else {}),
            prompt=talk.prompt,
            response=talk.response,
            gold=replace(gold, rejected=talk.rejected or gold.rejected),
            turns=talk.kept_turns,
            conversation=talk.conversation,
        ),
        known,
    )
    unread = _unread(row, columns, said, known, example, frozenset(label.name for label in wrong))
    compared = bool(example.choices) and "choices" in fields and "choices" not in said.read
    return Found(example, unread, wrong, said.left_out, said.doubt, talk.thought, compared)


def _unread(
    row: Row, columns: Columns, said: Said, known: Fields, example: Example, unreadable: frozenset[str]
) -> frozenset[str]:
    """Return the names of a row's fields, and of those inside them, that nothing reads."""
    read = set(said.read) | _KNOWN
    if example.choices or unreadable & {"choices", "answer_index"}:
        read.add("choices")
    if not isinstance(known.get("rejected"), str) and "rejected" not in said.read:
        read.discard("rejected")
    given = {columns.get(name, name) for name in read}
    meta = row.fields.get("meta")
    names = {name for name, value in row.fields.items() if value is not None and name not in given}
    if isinstance(meta, dict):
        names |= {f"meta.{name}" for name, value in meta.items() if value is not None and name not in given}
    elif meta is not None:
        names.add("meta")
    return frozenset(names | {_as_given(name, columns) for name in said.unread})


def _as_given(name: str, columns: Columns) -> str:
    first, dot, rest = name.partition(".")
    return f"{columns.get(first, first)}{dot}{rest}"


def _id(row: Row, fields: Fields) -> str:
    found = fields.get("id")
    if found is None:
        suffix = next(suffix for suffix in SUFFIXES if row.file.name.endswith(suffix))
        return f"{row.file.name.removesuffix(suffix)}:{row.line}"
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, (str, int)) or not str(found).strip():
        raise UnfitError(
            f"has the id {found!r}; it must be text or a whole number, or write `data.ids: row` (in `select`: --ids "
            "row) for ids by file and row"
        )
    return str(found)
