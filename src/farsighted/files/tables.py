"""Strict reading of Parquet and Arrow files, a batch of rows at a time."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from farsighted.core.errors import DataError
from farsighted.files.rows import BadRow, Row, excerpt

_BATCH_ROWS: Final = 1024


def table_rows(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a table, counted from 1.

    Raises:
        DataError: The file is damaged or unreadable; how many rows are lost is unknown.
    """
    kind, batches = ("Parquet", _parquet) if file.suffix == ".parquet" else ("Arrow", _arrow)
    number = 0
    try:
        for batch in batches(file):
            for fields in batch.to_pylist():
                number += 1
                yield _checked(fields, file, number)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, UnicodeDecodeError) as error:
        reason = excerpt(" ".join(str(error).split()))
        raise DataError(
            f"'{file}' must be a whole {kind} file, but is damaged or unreadable after row {number}: {reason}. "
            "Write or copy it again."
        ) from None


def _parquet(file: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as table:
        yield from table.iter_batches(batch_size=_BATCH_ROWS)


def _arrow(file: Path) -> Iterator[pa.RecordBatch]:
    """A file of either kind: with an index at its end, or a plain stream as `datasets` writes it."""
    with pa.memory_map(str(file)) as source:
        try:
            indexed = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from pa.ipc.open_stream(source)
        else:
            yield from (indexed.get_batch(place) for place in range(indexed.num_record_batches))


def _checked(fields: dict[str, object], file: Path, number: int) -> Row | BadRow:
    if _holds_non_finite(fields):
        text = json.dumps(fields, default=str, ensure_ascii=False)
        return BadRow(str(file), number, "holds NaN or infinity; write a number or null", excerpt(text))
    return Row(fields, file, number)


def _holds_non_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_holds_non_finite(part) for part in value.values())
    return isinstance(value, list) and any(_holds_non_finite(part) for part in value)
