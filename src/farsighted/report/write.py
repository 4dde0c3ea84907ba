"""From an audit's folder to its report: numbers, tables, figures, scorecard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from farsighted.report.scorecard import scorecard
from farsighted.report.tables import tables
from farsighted.report.typesetting import to_csv, to_latex, to_markdown
from farsighted.results.build import build_results, to_json
from farsighted.results.folder import planned_cells
from farsighted.store.atomic import write_bytes, write_text
from farsighted.store.layout import Layout
from farsighted.store.reader import finished_cells, read_cell, read_plan
from farsighted.store.schema import SCORES, SELECTIONS
from farsighted.store.writer import table_bytes

CELL_COLUMNS: Final = ("cell", "selector", "seed", "order", "budget", "adaptation")
"""What is put in front of a cell's tables where the tables of all cells stand in one file."""


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """What a report wrote."""

    results: Path
    scorecard: Path
    scores: Path
    selections: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]


def write_results(root: Path) -> ReportPaths:
    """Read the plan and the finished cells under `root`, and write results, tables, figures and scorecard there.

    Every file is replaced in one step. results.json comes last, so that whoever waits for it finds the rest.

    Raises:
        StorageError: no plan, a damaged cell, or a file that cannot be written.
    """
    # Matplotlib takes half a second to import, and every command and worker would pay for it.
    from farsighted.report.figures import figures

    layout = Layout(root)
    audit = read_plan(layout)
    cells = [read_cell(folder) for folder in finished_cells(root)]
    results = build_results(cells, audit)
    members = planned_cells(cells, audit).values()
    scores, selections = root / "scores.parquet", root / "selections.parquet"
    write_bytes(scores, table_bytes(_joined([(cell.meta, cell.scores) for cell in members], SCORES)))
    write_bytes(selections, table_bytes(_joined([(cell.meta, cell.selections) for cell in members], SELECTIONS)))
    pages = _table_pages(results) | figures(results)
    for name, page in pages.items():
        write_bytes(root / name, page)
    write_text(layout.scorecard, scorecard(results))
    write_text(layout.results, to_json(results))
    written = {folder: tuple(root / name for name in sorted(pages) if name.startswith(folder)) for folder in _FOLDERS}
    return ReportPaths(layout.results, layout.scorecard, scores, selections, written["tables/"], written["figures/"])


_FOLDERS: Final = ("tables/", "figures/")


def _joined(tables_: Sequence[tuple[Mapping[str, Any], pa.Table]], schema: Any) -> pa.Table:
    """The tables of all cells, one below the other, with the cell's columns in front; absent columns become null."""
    front = pa.schema([("seed", pa.int64()) if name == "seed" else (name, pa.string()) for name in CELL_COLUMNS])
    empty = pa.schema([*front, *schema]).empty_table()
    named = []
    for meta, table in tables_:
        values = [meta["id"], *(meta[name] for name in CELL_COLUMNS[1:])]
        columns = [pa.array([value] * len(table), field.type) for value, field in zip(values, front, strict=True)]
        named.append(pa.table([*columns, *table.columns], names=[*CELL_COLUMNS, *table.column_names]))
    return pa.concat_tables([empty, *named], promote_options="permissive")


def _table_pages(results: Mapping[str, Any]) -> dict[str, bytes]:
    writers = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    return {
        f"tables/{name}.{suffix}": write(table).encode()
        for name, table in tables(results).items()
        for suffix, write in writers.items()
    }
