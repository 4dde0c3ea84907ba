"""From the artifacts of an audit to its numbers."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

from farsighted.results.cells import absent_value, report_value
from farsighted.results.folder import planned_cells, planned_groups
from farsighted.results.groups import Group, Settings
from farsighted.results.lookup import GroupKey
from farsighted.results.rankings import myopia, overlap
from farsighted.results.summary import summarise_group
from farsighted.store.layout import SCHEMA
from farsighted.store.reader import CellArtifacts
from farsighted.store.record_text import RESULTS, text_of
from farsighted.store.records import PlannedCell, PlanRecord
from farsighted.store.result_records import CellEntry, MyopiaEntry, OverlapEntry, ResultsRecord, SummaryEntry


def build_results(
    cells: Sequence[CellArtifacts], audit: PlanRecord, groups: Mapping[GroupKey, Group] | None = None
) -> ResultsRecord:
    """Return everything that the report says, as the JSON value of results.json.

    A planned cell without artifacts is entered as `missing`, artifacts that the plan does not name are left out with a
    note. A number that is not there is None, and its reason stands under `missing`; NaN never occurs. Equal artifacts
    give an equal value: the bootstrap draws from its own named stream.

    Args:
        cells: artifacts of the cells that ran to their end or diverged, in any order.
        audit: the plan, as in audit.json.
        groups: the same cells as `results.folder.planned_groups` measures them, where that has been done.

    Raises:
        StorageError: cells that were scored on different items of one set.
    """
    settings = Settings.of(audit["config"])
    planned = {cell["id"]: cell for cell in audit["cells"]}
    by_id = planned_cells(cells, audit)
    measured = planned_groups(cells, audit) if groups is None else groups
    members: dict[GroupKey, list[PlannedCell]] = {}
    for cell in planned.values():
        members.setdefault(GroupKey.of(cell), []).append(cell)
    failures = audit["failures"]
    absent = {name: absent_value(cell, failures.get(name)) for name, cell in planned.items() if name not in by_id}
    parts = [_group_part(measured[key], named, absent, settings) for key, named in members.items()]
    entries = {entry["id"]: entry for part in parts for entry in part.cells}
    strangers = sorted({cell.meta["id"] for cell in cells} - planned.keys())
    return {
        "schema": SCHEMA,
        "farsighted": version("farsighted"),
        "title": audit["title"],
        "config": audit["config"],
        "command": audit["command"],
        "environment": audit["environment"],
        "reference": settings.reference,
        "sets": {name: rule for cell in by_id.values() for name, rule in cell.meta["evaluation"].items()},
        "cells": [entries[name] for name in planned],
        "summary": [entry for part in parts for entry in part.summary],
        "myopia": [part.myopia for part in parts if part.myopia is not None],
        "overlap": [entry for part in parts for entry in part.overlap],
        "notes": [*audit["notes"], *_stranger_notes(strangers), *_notes(parts)],
    }


def to_json(results: ResultsRecord) -> str:
    """Return the text of results.json; a NaN in it would be a mistake of this program and is refused."""
    return text_of(RESULTS, results)


class _GroupPart(NamedTuple):
    """Everything that results.json says about one group."""

    key: GroupKey
    cells: list[CellEntry]
    summary: list[SummaryEntry]
    myopia: MyopiaEntry | None
    overlap: list[OverlapEntry]


def _group_part(
    group: Group, planned: Sequence[PlannedCell], absent: Mapping[str, CellEntry], settings: Settings
) -> _GroupPart:
    names = [cell["id"] for cell in planned]
    ran = {cell.meta["id"]: cell for cell in group.cells.values()}
    entries = [
        report_value(ran[name], settings.weights, settings.reference) if name in ran else absent[name] for name in names
    ]
    ranked = list(dict.fromkeys(cell["selector"] for cell in planned if not cell["reference"]))
    summary = summarise_group(group, planned, entries, settings)
    return _GroupPart(group.key, entries, summary, myopia(group, ranked, settings), overlap(group, ranked))


def _notes(parts: Sequence[_GroupPart]) -> list[str]:
    """What a reader must know before reading a ranking."""
    notes = []
    for part in parts:
        name = ", ".join(part.key)
        gap = part.myopia
        if gap is None:
            notes.append(f"No myopia gap for {name}: it needs one seed that two selectors finished in full.")
            continue
        planned = {entry["seed"] for entry in part.cells}
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
