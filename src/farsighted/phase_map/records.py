"""The records of a map on disk: a JSON-lines file that grows point by point and survives an interruption.

The first line says which design the file belongs to; every other line is the record of one point. While a map is
measured, lines stand in the order in which points were finished; at the end in the order of the design.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from farsighted.core.errors import StorageError
from farsighted.store import atomic

Record = Mapping[str, Any]
SCHEMA = 1


def open_records(path: Path, identity: Mapping[str, Any]) -> dict[int, Record]:
    """Return the records that a file holds, by point; the file is there afterwards, and every line of it whole.

    A last line without an end was being written when its writer was killed: it is dropped.

    Args:
        path: The file; need not be there yet.
        identity: What decides the records (`design.identity`).

    Raises:
        StorageError: The file belongs to another design, or cannot be read or written.
    """
    head = {"schema": SCHEMA, "design": dict(identity)}
    if not path.exists():
        write_records(path, identity, ())
        return {}
    found, records = read_records(path)
    if found != head:
        raise StorageError(
            f"'{path}' must hold records of the design {json.dumps(head['design'])}, but holds those of "
            f"{json.dumps(found.get('design'))}. Choose another folder with --out, or delete the file."
        )
    write_records(path, identity, records.values())
    return records


def read_records(path: Path) -> tuple[Mapping[str, Any], dict[int, Record]]:
    """Return the first line and the records of a file, by point; raises `StorageError` where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return whole[0], {int(record["point"]): record for record in whole[1:]}
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StorageError(
            f"'{path}' must hold the records of a phase map, one JSON object a line, but cannot be read ({error}). "
            "Make them with `farsighted phase-map --out DIR`."
        ) from error


def append_record(path: Path, record: Record) -> None:
    """Put a record at the end of the file, on disk when this returns; raises `StorageError`."""
    with atomic.storage_errors(path), path.open("ab") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())


def write_records(path: Path, identity: Mapping[str, Any], records: Iterable[Record]) -> None:
    """Write the whole file in one step, points in order: the same records give the same bytes."""
    ordered = sorted(records, key=lambda record: int(record["point"]))
    head = {"schema": SCHEMA, "design": dict(identity)}
    atomic.write_bytes(path, b"".join(_line(value) for value in (head, *ordered)))


def _line(value: Record) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"
