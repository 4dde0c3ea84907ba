"""What a selection from files chose, told and written: the rows as they were, with rank, score and reason."""

import datetime
import decimal
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from farsighted.core.errors import ConfigError, DataError
from farsighted.core.values import Pool, Ranking
from farsighted.data.cut_rows import cut_row
from farsighted.data.twins import Dropped, write_dropped
from farsighted.files.apart import Inputs, refuse_onto_inputs
from farsighted.files.columns import Columns
from farsighted.files.fields import without_nulls
from farsighted.files.formats import TABLES, Examples
from farsighted.files.readers import read_rows, write_quarantine
from farsighted.files.rows import BadRow, Row
from farsighted.store import atomic
from farsighted.store.writer import table_bytes

_SUFFIXES: Final = (".jsonl", ".parquet")

Fields = dict[str, object]
"""A row of a file, field by field."""


@dataclass(frozen=True, slots=True)
class Target:
    """An amount of a budget."""

    amount: float
    unit: Literal["tokens", "examples"] = "tokens"

    def exceeded_by(self, taken: "Target") -> bool:
        """Whether more was taken, rounding aside."""
        return taken.amount > self.amount + 1e-9 * max(self.amount, 1.0)

    def __str__(self) -> str:
        return f"{round(self.amount, 2):,.10g}"


@dataclass(frozen=True)
class Selected:
    """What was selected, and why."""

    pool: Pool
    """The N candidates, in file order."""
    ranking: Ranking
    chosen: np.ndarray
    """(M,) pool rows, best first."""
    files: tuple[Path, ...]
    """Where the candidates were read from."""
    examples: Examples
    """What the files held: with the place of each candidate, and the rows that were set aside."""
    columns: Columns
    """Our field to the name that the files have for it."""
    notes: tuple[str, ...] = ()
    """Sentences about what was left out and what stood in for what."""
    bad_rows: tuple[BadRow, ...] = ()
    """Rows that were set aside, of the data and of what was read beside it."""
    dropped: tuple[Dropped, ...] = ()
    """Examples that were no candidates because they repeat one."""
    target: Target | None = None
    """What the budget allows of the candidates."""
    inputs: Inputs = field(default_factory=Inputs)
    """All that was read: nothing is written there."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the chosen examples, best first."""
        return tuple(self.pool.tokens[row].example.id for row in self.chosen)

    @property
    def taken(self) -> Target:
        """What was taken of the budget, in its unit; above `target` by less than the last example taken."""
        if self.target is not None and self.target.unit == "examples":
            return Target(len(self.chosen), "examples")
        return Target(int(self.pool.response_lengths[self.chosen].sum()))

    @cached_property
    def rank(self) -> np.ndarray:
        """(N,) int32 the rank of each candidate, the best one's 0."""
        ranks = np.empty(len(self.ranking.order), dtype=np.int32)
        ranks[self.ranking.order] = np.arange(len(ranks), dtype=np.int32)
        return ranks

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each candidate."""
        return reasons_of(self.ranking)

    def rows(self) -> list[Fields]:
        """Return the chosen rows as they stand in the files, best first, each with a field `farsighted`.

        The files are read once more, so that nothing but the examples is held in memory. Raises `DataError` where they
        cannot be read any more, or have lost a chosen row.
        """
        rows_at: dict[str, list[int]] = {}
        for row, name in zip(self.chosen.tolist(), self.ids, strict=True):
            rows_at.setdefault(self.examples.places[name], []).append(row)
        found: dict[int, Fields] = {}
        for item in read_rows(self.files):
            if isinstance(item, Row):
                found |= {row: self._told_row(as_read(item), row) for row in rows_at.get(item.place, ())}
        lost = next((place for place, rows in rows_at.items() if rows[0] not in found), None)
        if lost is not None:
            raise DataError(f"Files must stay as they are while a selection is made, but {lost} is gone. Select again.")
        return [found[row] for row in self.chosen.tolist()]

    def table(self) -> pa.Table:
        """Return a row a candidate, chosen or not: id, rank, score, chosen, tokens, reason, each part of the score."""
        chosen = np.zeros(len(self.pool), dtype=bool)
        chosen[self.chosen] = True
        columns = {
            "id": [tokens.example.id for tokens in self.pool.tokens],
            "rank": self.rank,
            "score": np.asarray(self.ranking.score, dtype=np.float64),
            "chosen": chosen,
            "tokens": [tokens.response_length for tokens in self.pool.tokens],
            "reason": list(self.reasons),
        }
        parts = {f"component_{name}": np.asarray(part, np.float64) for name, part in self.ranking.components.items()}
        return pa.table(columns | parts)

    def write(self, path: str | Path) -> None:
        """Write the chosen rows to a .jsonl or .parquet file, each file whole or not at all.

        PATH.scores.parquet gets `table`, PATH.bad_rows.jsonl the rows that were set aside, if any, and
        PATH.dropped.jsonl the repeats that were left out, if any; files of these names of an earlier selection go.

        Raises:
            ConfigError: Another ending, or a file that was read, or would be read with the data the next time.
            DataError: Rows that the kind of file cannot hold; nothing is written then.
            StorageError: The folder cannot be written to.
        """
        out = Path(path)
        check_target(out, self.inputs)
        encoded = _encoded(self.rows(), out.suffix)
        scores, bad_rows, dropped = beside(out)
        atomic.write_bytes(scores, table_bytes(self.table()))
        if self.bad_rows:
            write_quarantine(bad_rows, self.bad_rows)
        if self.dropped:
            write_dropped(dropped, self.dropped)
        # What an earlier selection set aside says nothing about this one.
        for stale in (file for file, told in ((bad_rows, self.bad_rows), (dropped, self.dropped)) if not told):
            with atomic.storage_errors(stale):
                stale.unlink(missing_ok=True)
        atomic.write_bytes(out, encoded)

    def _told_row(self, fields: Fields, row: int) -> Fields:
        tokens, parts = self.pool.tokens[row], self.ranking.components
        cut = tokens.example.id in self.examples.cut
        told = {
            # The row's own id may be repeated in the files, or missing.
            "id": tokens.example.id,
            "rank": int(self.rank[row]),
            "score": float(self.ranking.score[row]),
            # Parquet has no way to write that there are none.
            **({"components": {name: float(values[row]) for name, values in parts.items()}} if parts else {}),
            "tokens": tokens.response_length,
            "reason": self.reasons[row],
        }
        return (cut_row(fields, tokens.example, self.columns) if cut else fields) | {"farsighted": told}


def as_read(row: Row) -> Fields:
    """Return a row's fields; inside those of a table, nulls stand where another row has a name, and are left out."""
    if row.file.suffix not in TABLES:
        return row.fields
    return {name: without_nulls(value) for name, value in row.fields.items()}


def check_target(out: Path, inputs: Inputs | None = None) -> None:
    """Raise where no selection can be written to a file.

    Raises:
        ConfigError: Another ending; or it, or a file beside it, is read, or would be read with the data the next time.
        StorageError: Its folder cannot be written to.
    """
    if out.suffix not in _SUFFIXES:
        raise ConfigError(f"`--out` must end in .jsonl or .parquet, but is '{out}'. Rename it.")
    if out.is_dir():
        raise ConfigError(f"`--out` must be a file, but '{out}' is a folder. Name a file in it.")
    refuse_onto_inputs((out, *beside(out)), inputs or Inputs())
    atomic.ensure_writable(out.parent)


class Beside(NamedTuple):
    """Files beside a selection."""

    scores: Path
    bad_rows: Path
    dropped: Path


def beside(out: Path) -> Beside:
    """Return the files that are written beside a selection, some only where there is something to tell."""
    names = (".scores.parquet", ".bad_rows.jsonl", ".dropped.jsonl")
    return Beside(*(out.with_name(out.name + name) for name in names))


def reasons_of(ranking: Ranking) -> tuple[str, ...]:
    """Return a sentence for each candidate: its score, and the percentile of each of its parts among all candidates."""
    parts: Mapping[str, np.ndarray] = ranking.components or {"score": ranking.score}
    percent = {name: _percentiles(values) for name, values in parts.items()}
    rank = np.empty(len(ranking.order), dtype=np.intp)
    rank[ranking.order] = np.arange(len(ranking.order))
    sentences = []
    for row in range(len(rank)):
        told = [f"{name} {parts[name][row]:.4g} (above {percent[name][row]:.0f} % of the pool)" for name in parts]
        sentences.append(f"rank {rank[row] + 1} of {len(rank)}: {', '.join(told)}")
    return tuple(sentences)


def _percentiles(values: np.ndarray) -> np.ndarray:
    below: np.ndarray = (rankdata(values, method="min") - 1) / max(len(values), 1) * 100
    return below


def _encoded(rows: Sequence[Fields], suffix: str) -> bytes:
    if suffix == ".parquet":
        # Of its own accord Arrow keeps the fields of the first row only.
        names = dict.fromkeys(name for row in rows for name in row)
        try:
            return table_bytes(pa.table({name: [row.get(name) for row in rows] for name in names}))
        except (pa.ArrowException, OverflowError) as error:
            raise DataError(
                f"A Parquet column must hold one kind of value, but a field of the chosen rows does not: {error} End "
                "`--out` in .jsonl."
            ) from error
    return "".join(json.dumps(row, ensure_ascii=False, default=_as_json) + "\n" for row in rows).encode()


def _as_json(value: object) -> str:
    """Tables hold more kinds of values than JSON: dates and decimals become text, bytes have no text."""
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)):
        return str(value)
    raise DataError(
        f"JSON holds no {type(value).__name__}, but a field of the chosen rows does. End `--out` in .parquet."
    )
