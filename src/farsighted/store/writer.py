"""What the run arm puts on disk: the plan, finished cells and checkpoints."""

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from farsighted.core.errors import StorageError
from farsighted.store import atomic
from farsighted.store.layout import MARKER, SCHEMA, Layout
from farsighted.store.record_files import CELL, CHECKPOINT, PLAN
from farsighted.store.record_text import record_of, text_of
from farsighted.store.records import CellRecord, CheckpointRecord, PlanRecord, ProgressRecord


def table_bytes(table: pa.Table) -> bytes:
    """Return a Parquet file of `table` (zstd)."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_table(data: bytes) -> pa.Table:
    """Return the table of a Parquet file."""
    return pq.ParquetFile(pa.BufferReader(data)).read()


def write_plan(layout: Layout, plan: PlanRecord) -> None:
    """Replace the plan in one step; raises `StorageError`."""
    atomic.write_text(layout.audit, text_of(PLAN, plan))


def write_cell(layout: Layout, meta: CellRecord, scores: pa.Table, selections: pa.Table) -> None:
    """Publish a finished cell and drop its checkpoints; `meta["id"]` names the folder."""
    cell_id = meta["id"]
    files = {
        "cell.json": text_of(CELL, meta).encode(),
        "scores.parquet": table_bytes(scores),
        "selections.parquet": table_bytes(selections),
    }
    atomic.write_folder(layout.cell(cell_id), files)
    shutil.rmtree(layout.checkpoints(cell_id), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that an interrupted cell needs to go on, bit for bit."""

    stage: int
    """Stages finished."""
    round: int
    """Rounds finished in the stage that follows (the one in progress does not count); 0 at a stage boundary."""
    meta: ProgressRecord
    """What is recorded so far."""
    arrays: Mapping[str, np.ndarray]
    """Parameters, optimizer state, selector state."""
    scores: pa.Table
    selections: pa.Table


def write_checkpoint(layout: Layout, cell_id: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then delete those that are behind it.

    One that is ahead is another process's, which took over the cell from this one and has run on.
    """
    folder = layout.checkpoints(cell_id)
    newest = folder / _position(checkpoint.stage, checkpoint.round)
    record: CheckpointRecord = {
        "schema": SCHEMA,
        "stage": checkpoint.stage,
        "round": checkpoint.round,
        "meta": checkpoint.meta,
    }
    files = {
        "meta.json": text_of(CHECKPOINT, record).encode(),
        "arrays.safetensors": save_arrays({name: np.asarray(a, order="C") for name, a in checkpoint.arrays.items()}),
        "scores.parquet": table_bytes(checkpoint.scores),
        "selections.parquet": table_bytes(checkpoint.selections),
    }
    atomic.write_folder(newest, files)
    for older in _finished(folder):
        if older < newest:
            atomic.remove_folder(older)


def read_checkpoint(layout: Layout, cell_id: str) -> Checkpoint | None:
    """Return the newest complete checkpoint of a cell, or None.

    Raises:
        StorageError: It was altered, or is of another schema.
    """
    folder = layout.checkpoints(cell_id)
    found = _finished(folder)
    while found:
        try:
            return _read_checkpoint(found[-1])
        except StorageError:
            # Another process may have put a newer one in its place meanwhile.
            before, found = found, _finished(folder)
            if found == before:
                raise
    return None


def _read_checkpoint(folder: Path) -> Checkpoint:
    files = atomic.read_folder(folder)
    meta = record_of(CHECKPOINT, files["meta.json"], folder / "meta.json")
    return Checkpoint(
        stage=meta["stage"],
        round=meta["round"],
        meta=meta["meta"],
        arrays=load_arrays(files["arrays.safetensors"]),
        scores=read_table(files["scores.parquet"]),
        selections=read_table(files["selections.parquet"]),
    )


def _position(stage: int, round_: int) -> str:
    return f"{stage:04d}-{round_:06d}"


def _finished(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and (path / MARKER).is_file())
