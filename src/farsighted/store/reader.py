"""Reading finished cells back: three files and the marker that vouches for them."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from farsighted.core.errors import StorageError
from farsighted.store.atomic import MARKED
from farsighted.store.layout import MARKER, Layout
from farsighted.store.record_files import CELL, PLAN, RESULTS
from farsighted.store.record_text import read_record, refuse_other_schema
from farsighted.store.records import CellRecord, PlanRecord
from farsighted.store.result_records import ResultsRecord

CELL_FILES: Final = ("cell.json", "scores.parquet", "selections.parquet")


@dataclass(frozen=True, slots=True)
class CellArtifacts:
    """What one finished cell left on disk; every number of a report is a function of these three."""

    meta: CellRecord
    """cell.json: who the cell is, what each stage cost, losses, diagnostics, reasons for what is missing."""
    scores: pa.Table
    """One row an item and evaluation (kind, after_stage, set, probe_tokens, point, item, score 0..100, ...)."""
    selections: pa.Table
    """One row a scored example, chosen or not (stage, stage_index, round, id, rank, score, chosen, tokens, ...)."""


def finished_cells(root: Path, wanted: Collection[str] | None = None) -> list[Path]:
    """Return the folders under `root`/cells that carry the marker, in order of name, each one verified.

    `wanted`: ids of the cells asked for; None = all.

    Folders without a marker are unfinished and left out, and so are those whose name begins with a dot: a writer that
    was killed before it could rename them. A folder whose files do not have the SHA-256 that its marker
    states is damaged.

    Raises:
        StorageError: a marker that cannot be read, or a file that is absent or altered; the message names it.
    """
    cells = Layout(root).cells
    folders = sorted(path.parent for path in cells.glob(f"*/{MARKER}") if not path.parent.name.startswith("."))
    if wanted is not None:
        folders = [folder for folder in folders if folder.name in wanted]
    for folder in folders:
        _verify(folder)
    return folders


def read_cell(folder: Path) -> CellArtifacts:
    """Read the three files of one finished cell.

    Raises:
        StorageError: a file that is absent, cannot be parsed, or does not fit its record.
    """
    meta = read_meta(folder)
    tables = [_read_table(folder, name) for name in ("scores.parquet", "selections.parquet")]
    return CellArtifacts(meta, *tables)


def read_meta(folder: Path) -> CellRecord:
    """Read `cell.json` of one finished cell; raises `StorageError`."""
    return read_record(CELL, folder / "cell.json")


def read_plan(layout: Layout) -> PlanRecord:
    """Read the plan of an audit's folder; raises `StorageError` where there is none or it does not fit."""
    return read_record(PLAN, layout.audit)


def refuse_other_versions(layout: Layout, cell_ids: Iterable[str]) -> None:
    """Refuse a folder with a plan or finished cells that this version cannot read, before anything in it is replaced.

    A plan that this version could have written is not looked at: the one that is about to be written takes its place.

    Raises:
        StorageError: as `read_meta` does, or the plan is of another schema.
    """
    if layout.audit.is_file():
        refuse_other_schema(PLAN, layout.audit)
    for cell_id in cell_ids:
        if layout.finished(cell_id):
            read_meta(layout.cell(cell_id))


def read_results(layout: Layout) -> ResultsRecord:
    """Read the numbers in an audit's folder; raises `StorageError` where there are none or they do not fit."""
    return read_record(RESULTS, layout.results)


def _verify(folder: Path) -> None:
    stated = read_record(MARKED, folder / MARKER)["files"]
    for name in CELL_FILES:
        path = folder / name
        if not path.is_file():
            raise _damaged(folder, name, "is not there")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if stated.get(name) != found:
            raise _damaged(folder, name, f"has SHA-256 {found[:12]}, but {MARKER} states {str(stated.get(name))[:12]}")


def _read_table(folder: Path, name: str) -> pa.Table:
    try:
        with pq.ParquetFile(folder / name) as file:
            return file.read()
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(folder, name, f"cannot be read ({error})") from error


def _damaged(folder: Path, name: str, what: str) -> StorageError:
    return StorageError(
        f"The file {folder / name} of a finished cell {what}. Delete the folder {folder} and run the audit again: "
        "only this cell is run anew."
    )
