"""Strict reading of Parquet and Arrow files, a batch of rows at a time."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from farsighted.core.errors import DataError
from farsighted.files.rows import Row, excerpt

_BATCH_ROWS: Final = 1024


def table_rows(file: Path) -> Iterator[Row]:
    """Yield the rows of a table, counted from 1; a number that is NaN or infinite is null.

    Raises:
        DataError: The file is damaged or unreadable; how many rows are lost is unknown.
    """
    kind, batches = ("Parquet", _parquet) if file.suffix == ".parquet" else ("Arrow", _arrow)
    number = 0
    try:
        for batch in batches(file):
            for fields in batch.to_pylist():
                number += 1
                yield Row({name: _finite(value) for name, value in fields.items()}, file, number)
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


def _finite(value: object) -> object:
    """Return a value with null for NaN and infinity: tables write a missing number so, and no text holds one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value
