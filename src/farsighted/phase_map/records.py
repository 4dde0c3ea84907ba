"""The records of a map on disk: a JSON-lines file that grows point by point and survives an interruption.

The first line says which design the file belongs to; every other line is the record of one point. While a map is
measured, lines stand in the order in which points were finished; at the end in the order of the design.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import with_config
from typing_extensions import TypedDict

from farsighted.core.errors import StorageError
from farsighted.phase_map.design import DesignKey
from farsighted.store import atomic
from farsighted.store.record_text import RecordFile, record_of, text_of
from farsighted.store.records import RECORD_RULES, Numbers

SCHEMA: Final = 2
_MEND: Final = "make it with `farsighted phase-map --out DIR`."


@with_config(RECORD_RULES)
class DesignRecord(TypedDict):
    """The first line of the file."""

    schema: Literal[2]
    design: DesignKey


@with_config(RECORD_RULES)
class PointRecord(TypedDict):
    """One point; null where a number does not exist."""

    point: int
    """Number in the design."""
    parameters: dict[str, float]
    """Axis to the true parameter of the point's world."""
    data_seed: int
    seed: int
    world: str
    """Content hash of the world."""
    measured: Numbers
    """Coordinate to what the pools show of it."""
    random: Numbers
    """Metrics of random selection."""
    differences: dict[str, Numbers]
    """Selector to its metrics minus those of random selection."""
    standard_errors: dict[str, Numbers]
    """Likewise, of the differences now and later, over items."""


_HEAD: Final = RecordFile("records.jsonl", DesignRecord, _MEND, indent=None, schema=SCHEMA)
_POINT: Final = RecordFile("records.jsonl", PointRecord, _MEND, indent=None)


def open_records(path: Path, identity: DesignKey) -> dict[int, PointRecord]:
    """Return the records that a file holds, by point; the file is there afterwards, and every line of it whole.

    A last line without an end was being written when its writer was killed: it is dropped.

    Args:
        path: The file; need not be there yet.
        identity: What decides the records (`design.identity`).

    Raises:
        StorageError: The file belongs to another design, or cannot be read or written.
    """
    if not path.exists():
        write_records(path, identity, ())
        return {}
    head, records = read_records(path)
    if head["design"] != identity:
        raise StorageError(
            f"'{path}' must hold records of the design {json.dumps(identity)}, but holds those of "
            f"{json.dumps(head['design'])}. Choose another folder with --out, or delete the file."
        )
    write_records(path, identity, records.values())
    return records


def read_records(path: Path) -> tuple[DesignRecord, dict[int, PointRecord]]:
    """Return the first line and the records of a file, by point; raises `StorageError` where one does not fit."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"'{path}' cannot be read ({error}): {_MEND}") from error
    whole = [line for line in lines if line.endswith("\n")]
    if not whole:
        raise StorageError(f"'{path}' must hold the records of a phase map, but is empty: {_MEND}")
    records = [record_of(_POINT, line, path) for line in whole[1:]]
    return record_of(_HEAD, whole[0], path), {record["point"]: record for record in records}


def append_record(path: Path, record: PointRecord) -> None:
    """Put a record at the end of the file, on disk when this returns; raises `StorageError`."""
    with atomic.storage_errors(path), path.open("ab") as file:
        file.write(text_of(_POINT, record).encode())
        file.flush()
        os.fsync(file.fileno())


def write_records(path: Path, identity: DesignKey, records: Iterable[PointRecord]) -> None:
    """Write the whole file in one step, points in order: the same records give the same bytes."""
    head: DesignRecord = {"schema": SCHEMA, "design": identity}
    lines = [text_of(_POINT, record) for record in sorted(records, key=lambda record: record["point"])]
    atomic.write_text(path, "".join([text_of(_HEAD, head), *lines]))
