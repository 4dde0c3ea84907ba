"""Rows in the shapes that users know, to examples."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.files.columns import NO_COLUMNS, Columns, advice_on, names_in, under_our_names
from farsighted.files.gold import gold_of
from farsighted.files.readers import SUFFIXES, read_rows, refuse_bad_rows
from farsighted.files.rows import BadRow, Row, excerpt
from farsighted.files.sampling import BottomSample
from farsighted.files.shapes import UnfitError, UnknownShapeError, kind_of, talk_of, text_of


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


def read_examples(
    files: Sequence[Path],
    on_bad_row: Literal["error", "skip"] = "error",
    max_bad_share: float = 0.01,
    columns: Columns = NO_COLUMNS,
    sample: BottomSample[Example] | None = None,
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

    Raises:
        DataError: A bad row under error, too many under skip, a damaged file, or no rows at all.
    """
    examples: list[Example] = []
    places: dict[str, str] = {}
    bad_rows: list[BadRow] = []
    met: set[str] = set()
    good = 0
    for row in read_rows(files):
        if columns and isinstance(row, Row):
            met |= names_in(row.fields)
        found = row if isinstance(row, BadRow) else _distinct(row, to_example(row, columns), places, columns)
        if isinstance(found, Example):
            good += 1
            if sample is None:
                examples.append(found)
                continue
            left_out = sample.add(places[found.id], found)
            if left_out is not None:
                places.pop(left_out.id)
        elif on_bad_row == "error":
            raise DataError(
                f"Every row must be a usable example, but {found}. Mend the row, or write `data.on_bad_row: skip` "
                "(in `select`: --on-bad-row skip) to set such rows aside."
            )
        else:
            bad_rows.append(found)
    refuse_bad_rows(bad_rows, good + len(bad_rows), max_bad_share)
    examples = examples if sample is None else sample.items()
    if not examples:
        names = ", ".join(f"'{file}'" for file in files[:3])
        first = f" The first row that was set aside: {bad_rows[0]}." if bad_rows else ""
        raise DataError(
            f"Data files must hold at least one example, but {names} hold none. Mend or leave out the path.{first}"
        )
    return Examples(tuple(examples), places, tuple(bad_rows), frozenset(met))


def _distinct(row: Row, found: Example | BadRow, places: dict[str, str], columns: Columns) -> Example | BadRow:
    """Note the place of an id; a second row of the same id is a bad row."""
    if isinstance(found, BadRow):
        return found
    if found.id in places and under_our_names(row.fields, columns).get("id") is None:
        # Files of one name in two folders: the folder tells their rows apart.
        found = replace(found, id=f"{row.file.parent.name}/{row.file.name}:{row.line}")
    place = places.setdefault(found.id, row.place)
    if place != row.place:
        return _bad(row, f"has the id '{found.id}', which {place} has already; give it another")
    return found


def to_example(row: Row, columns: Columns = NO_COLUMNS) -> Example | BadRow:
    """Return the example that a row holds; its shape is found by its fields (see `files.shapes`).

    `columns` says which field of the row stands for one of ours: {"prompt": "ask", "quality": "score"}.

    Metadata stand in `meta` or beside the text: cluster (or category), difficulty, quality, source, choices with
    answer_index, and what answers are graded against (see `files.gold`). Null counts as absent. Without `id` the id is
    "<file name>:<line>", with the folder and the suffix where two files have one name.
    """
    try:
        return _example(row, columns)
    except UnknownShapeError as error:
        return _bad(row, f"{error}{advice_on(row.fields, columns)}")
    except UnfitError as error:
        return _bad(row, str(error))


def option_texts(response: str, choices: Sequence[str], answer_index: int) -> tuple[str, ...]:
    """Return the full response text of every option, or () where likelihood cannot choose among them.

    Lettered where the response is "<letter>. <option>": then every option is. Plain where the response is the option,
    or starts with it at the end of a word (and with no longer option). Everything else (an answer after a rationale, a
    right option that occurs twice) is not applicable.

    >>> option_texts("B. no", ["yes", "no"], 1)
    ('A. yes', 'B. no')
    >>> option_texts("no, never", ["yes", "no"], 1)
    ('yes', 'no')
    >>> option_texts("So the answer is no.", ["yes", "no"], 1)
    ()
    """
    if not 0 <= answer_index < len(choices) or len(choices) < 2:
        return ()
    lettered = tuple(f"{chr(ord('A') + number)}. {choice}" for number, choice in enumerate(choices))
    if len(choices) <= 26 and response == lettered[answer_index]:
        return lettered
    leading = [choice for choice in choices if _leads(choice, response)]
    right = choices[answer_index]
    longest = max(leading, key=len, default=None)
    return tuple(choices) if right == longest and list(choices).count(right) == 1 else ()


def _leads(choice: str, response: str) -> bool:
    """Tell whether a response starts with a whole option ("no" leads "no, never", not "nothing")."""
    rest = response[len(choice) :]
    return bool(choice.strip()) and response.startswith(choice) and not rest[:1].isalnum()


def _bad(row: Row, reason: str) -> BadRow:
    return BadRow(str(row.file), row.line, reason, excerpt(json.dumps(row.fields, default=str, ensure_ascii=False)))


def _example(row: Row, columns: Columns) -> Example:
    fields = under_our_names(row.fields, columns)
    talk = talk_of(fields)
    if not talk.response.strip():
        raise UnfitError("has an empty response; a response must hold at least one visible character")
    meta = fields.get("meta", {})
    if not isinstance(meta, dict):
        raise UnfitError(f"has a `meta` of type {kind_of(meta)}; it must be an object")
    known = {**{name: value for name, value in meta.items() if value is not None}, **fields}
    gold = gold_of(known)
    return _with_choices(
        Example(
            id=_id(row, fields),
            prompt=talk.prompt,
            response=talk.response,
            cluster=_cluster(known),
            difficulty=_number(known, "difficulty"),
            quality=_number(known, "quality"),
            source=text_of(known, "source") if "source" in known else "",
            gold=replace(gold, rejected=talk.rejected or gold.rejected),
            turns=talk.kept_turns,
        ),
        known,
    )


def _with_choices(example: Example, known: Mapping[str, object]) -> Example:
    if "choices" not in known or "answer_index" not in known:
        return example
    choices, index = known["choices"], known["answer_index"]
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise UnfitError("has `choices` that are no list of texts")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(choices):
        raise UnfitError(f"has the `answer_index` {index!r}; it must be a whole number from 0 to {len(choices) - 1}")
    options = option_texts(example.response, choices, index)
    return replace(example, choices=options, answer_index=index if options else None)


def _id(row: Row, fields: Mapping[str, object]) -> str:
    found = fields.get("id")
    if found is None:
        suffix = next(suffix for suffix in SUFFIXES if row.file.name.endswith(suffix))
        return f"{row.file.name.removesuffix(suffix)}:{row.line}"
    if isinstance(found, bool) or not isinstance(found, (str, int)) or not str(found).strip():
        raise UnfitError(f"has the id {found!r}; it must be text or a whole number")
    return str(found)


def _cluster(known: Mapping[str, object]) -> str | None:
    """Return the capability cluster; several labels become one, so that a combination is a cluster of its own."""
    found = known.get("cluster", known.get("category"))
    labels = found if isinstance(found, list) else [found]
    if not all(label is None or isinstance(label, (str, int)) for label in labels):
        raise UnfitError(f"has a cluster of type {kind_of(found)}; it must be text or a list of texts")
    return " + ".join(sorted(str(label) for label in labels if label is not None)) or None


def _number(known: Mapping[str, object], name: str) -> float | None:
    if name not in known:
        return None
    found = known[name]
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise UnfitError(f"has a `{name}` of type {kind_of(found)}; it must be a number")
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnfitError(f"has a `{name}` beyond the range of numbers")
    return number
