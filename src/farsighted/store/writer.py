"""What the run arm puts on disk: finished cells and checkpoints."""

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from farsighted.store import atomic
from farsighted.store.layout import MARKER, Layout


def table_bytes(table: Any) -> bytes:
    """Return a Parquet file of `table` (zstd)."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_table(data: bytes) -> Any:
    """Return the table of a Parquet file."""
    return pq.ParquetFile(pa.BufferReader(data)).read()


def write_cell(layout: Layout, meta: Mapping[str, Any], scores: Any, selections: Any) -> None:
    """Publish a finished cell and drop its checkpoints; `meta["id"]` names the folder."""
    cell_id = str(meta["id"])
    files = {
        "cell.json": json.dumps(meta, indent=1, allow_nan=False).encode(),
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
    meta: Mapping[str, Any]
    """JSON value: what is recorded so far."""
    arrays: Mapping[str, np.ndarray]
    """Parameters, optimizer state, selector state."""
    scores: Any
    selections: Any


def write_checkpoint(layout: Layout, cell_id: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then delete the older ones."""
    folder = layout.checkpoints(cell_id)
    newest = folder / _position(checkpoint.stage, checkpoint.round)
    files = {
        "meta.json": json.dumps(
            {"stage": checkpoint.stage, "round": checkpoint.round, "meta": checkpoint.meta}
        ).encode(),
        "arrays.safetensors": save_arrays({name: np.asarray(a, order="C") for name, a in checkpoint.arrays.items()}),
        "scores.parquet": table_bytes(checkpoint.scores),
        "selections.parquet": table_bytes(checkpoint.selections),
    }
    atomic.write_folder(newest, files)
    for older in _finished(folder):
        if older != newest:
            atomic.remove_folder(older)


def read_checkpoint(layout: Layout, cell_id: str) -> Checkpoint | None:
    """Return the newest complete checkpoint of a cell, or None; raises `StorageError` where it was altered."""
    folders = _finished(layout.checkpoints(cell_id))
    if not folders:
        return None
    files = atomic.read_folder(folders[-1])
    meta = json.loads(files["meta.json"])
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
