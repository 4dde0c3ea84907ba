"""Strict reading of Parquet, Arrow and CSV files, a batch of rows at a time."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from farsighted.core.errors import DataError
from farsighted.data.rows import BadRow, Row, excerpt

_BATCH_ROWS: Final = 1024
_LONGEST_CSV_ROW: Final = 1 << 24
"""Bytes: a row must lie within one block of the reader, or two."""
_NUMBERS: Final[dict[str, Callable[[str], float]]] = {"difficulty": float, "quality": float, "answer_index": int}
"""CSV knows text alone: these fields become numbers where they look like one."""


def table_rows(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a table; rows are counted from 1, the header of a CSV file aside.

    Raises:
        DataError: The file is damaged or unreadable; how many rows are lost is unknown.
    """
    kind, batches = _kind(file)
    bad: list[BadRow] = []
    number = 0
    try:
        for batch in batches(file, bad):
            yield from _drained(bad)
            for fields in batch.to_pylist():
                number += 1
                yield _checked(fields, file, number)
        yield from _drained(bad)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, UnicodeDecodeError) as error:
        reason = excerpt(" ".join(str(error).split()))
        raise DataError(
            f"'{file}' must be a whole {kind} file, but is damaged or unreadable after row {number}: {reason}. "
            "Write or copy it again."
        ) from None


Batches = Callable[[Path, list[BadRow]], Iterator[Any]]


def _kind(file: Path) -> tuple[str, Batches]:
    if file.suffix == ".parquet":
        return "Parquet", _parquet
    return ("Arrow", _arrow) if file.suffix == ".arrow" else ("CSV", _csv)


def _parquet(file: Path, bad: list[BadRow]) -> Iterator[Any]:
    with pq.ParquetFile(file) as table:
        yield from table.iter_batches(batch_size=_BATCH_ROWS)


def _arrow(file: Path, bad: list[BadRow]) -> Iterator[Any]:
    """A file of either kind: with an index at its end, or a plain stream as `datasets` writes it."""
    with pa.memory_map(str(file)) as source:
        try:
            indexed = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from pa.ipc.open_stream(source)
        else:
            yield from (indexed.get_batch(place) for place in range(indexed.num_record_batches))


def _csv(file: Path, bad: list[BadRow]) -> Iterator[Any]:
    def set_aside(row: Any) -> str:
        reason = f"has {row.actual_columns} columns, but the header has {row.expected_columns}"
        bad.append(BadRow(str(file), row.number or 0, reason, excerpt(row.text or "")))
        return "skip"

    parsing = pc.ParseOptions(
        delimiter="\t" if file.suffix == ".tsv" else ",", newlines_in_values=True, invalid_row_handler=set_aside
    )
    reading = pc.ReadOptions(use_threads=False, block_size=_LONGEST_CSV_ROW)
    with pc.open_csv(file, read_options=reading, parse_options=parsing) as first:
        names = first.schema.names
    if len(set(names)) < len(names):
        raise ValueError("the header names a column twice")
    bad.clear()
    texts = pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    with pc.open_csv(file, read_options=reading, parse_options=parsing, convert_options=texts) as table:
        for batch in table:
            yield _Texts(batch)


class _Texts:
    """A batch of a CSV file: empty cells are absent, numbers become numbers."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def to_pylist(self) -> list[dict[str, Any]]:
        """Return the rows."""
        return [{name: _value(name, text) for name, text in row.items()} for row in self._batch.to_pylist()]


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    try:
        return _NUMBERS[name](text) if name in _NUMBERS else text
    except ValueError:
        return text


def _drained(bad: list[BadRow]) -> list[BadRow]:
    found, bad[:] = list(bad), []
    return found


def _checked(fields: dict[str, Any], file: Path, number: int) -> Row | BadRow:
    if _holds_non_finite(fields):
        text = json.dumps(fields, default=str, ensure_ascii=False)
        return BadRow(str(file), number, "holds NaN or infinity where a number or null must stand", excerpt(text))
    return Row(fields, file, number)


def _holds_non_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_holds_non_finite(part) for part in value.values())
    return isinstance(value, list) and any(_holds_non_finite(part) for part in value)
