"""From an audit's folder to its numbers (`build_results`) and from there to its pages (`write_results`)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from farsighted.report.cells import absent_value, report_value
from farsighted.report.folder import planned_cells, planned_groups
from farsighted.report.groups import Group, Settings
from farsighted.report.lookup import GroupKey
from farsighted.report.paper import GAP_NOTE
from farsighted.report.rankings import myopia, overlap
from farsighted.report.scorecard import scorecard
from farsighted.report.summary import summarise_group
from farsighted.report.tables import tables
from farsighted.report.typesetting import to_csv, to_latex, to_markdown
from farsighted.store.atomic import write_bytes, write_text
from farsighted.store.layout import SCHEMA, Layout
from farsighted.store.reader import CellArtifacts, finished_cells, read_cell, read_plan
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


def build_results(
    cells: Sequence[CellArtifacts], audit: Mapping[str, Any], groups: Mapping[GroupKey, Group] | None = None
) -> dict[str, Any]:
    """Return everything that the report says, as the JSON value of results.json.

    A planned cell without artifacts is entered as `missing`, artifacts that the plan does not name are left out with a
    note. A number that is not there is None, and its reason stands under `missing`; NaN never occurs. Equal artifacts
    give an equal value: the bootstrap draws from its own named stream.

    Args:
        cells: artifacts of the cells that ran to their end or diverged, in any order.
        audit: the plan, as in audit.json.
        groups: the same cells as `report.folder.planned_groups` measures them, where that has been done.

    Raises:
        StorageError: cells that were scored on different items of one set.
    """
    settings = Settings.of(audit["config"])
    planned = {str(cell["id"]): cell for cell in audit["cells"]}
    by_id = planned_cells(cells, audit)
    measured = planned_groups(cells, audit) if groups is None else groups
    members: dict[GroupKey, list[Mapping[str, Any]]] = {}
    for cell in planned.values():
        members.setdefault(GroupKey.of(cell), []).append(cell)
    failures = audit.get("failures", {})
    absent = {name: absent_value(cell, failures.get(name)) for name, cell in planned.items() if name not in by_id}
    parts = [_group_part(measured[key], named, absent, settings) for key, named in members.items()]
    entries = {entry["id"]: entry for part in parts for entry in part["cells"]}
    strangers = sorted({str(cell.meta["id"]) for cell in cells} - planned.keys())
    return {
        "schema": SCHEMA,
        "farsighted": version("farsighted"),
        **{key: audit[key] for key in ("title", "config", "command", "environment")},
        "reference": settings.reference,
        "sets": {name: rule for cell in by_id.values() for name, rule in cell.meta.get("evaluation", {}).items()},
        "cells": [entries[name] for name in planned],
        **{key: [item for part in parts for item in part[key]] for key in ("summary", "myopia", "overlap")},
        "notes": [*audit["notes"], *_stranger_notes(strangers), *_notes(parts), GAP_NOTE],
    }


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


def to_json(results: Mapping[str, Any]) -> str:
    """Return the text of results.json; a NaN in it would be a mistake of this program and is refused."""
    return json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _group_part(
    group: Group, planned: Sequence[Mapping[str, Any]], absent: Mapping[str, dict[str, Any]], settings: Settings
) -> dict[str, Any]:
    """Everything that results.json says about one group."""
    names = [str(cell["id"]) for cell in planned]
    ran = {str(cell.meta["id"]): cell for cell in group.cells.values()}
    entries = [
        report_value(ran[name], settings.weights, settings.reference) if name in ran else absent[name] for name in names
    ]
    ranked = list(dict.fromkeys(str(cell["selector"]) for cell in planned if not cell["reference"]))
    gap = myopia(group, ranked, settings)
    return {
        "key": group.key,
        "cells": entries,
        "summary": summarise_group(group, planned, entries, settings),
        "myopia": [] if gap is None else [gap],
        "overlap": overlap(group, ranked),
    }


def _notes(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know before reading a ranking."""
    notes = []
    for part in parts:
        name = ", ".join(part["key"])
        if not part["myopia"]:
            notes.append(f"No myopia gap for {name}: it needs one seed that two selectors finished in full.")
            continue
        gap = part["myopia"][0]
        planned = {entry["seed"] for entry in part["cells"]}
        if len(gap["seeds"]) < len(planned):
            listed = ", ".join(map(str, gap["seeds"]))
            notes.append(f"The myopia gap of {name} is over the seeds that all its selectors finished: {listed}.")
        if gap["left_out"]:
            notes.append(f"The myopia gap of {name} leaves out, without a finished seed: {', '.join(gap['left_out'])}.")
    return notes


def _stranger_notes(strangers: Sequence[str]) -> list[str]:
    if not strangers:
        return []
    return [f"The folder holds {len(strangers)} finished cells of another plan; they are left out: {_some(strangers)}."]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


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
