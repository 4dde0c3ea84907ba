"""From the artifacts of an audit to its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import NamedTuple

from farsighted.results.audit import MeasuredAudit
from farsighted.results.cells import absent_value, report_value
from farsighted.results.groups import Group, Settings
from farsighted.results.lookup import GroupKey
from farsighted.results.rankings import myopia, overlap
from farsighted.results.summary import summarise_group
from farsighted.store.layout import RESULTS_SCHEMA
from farsighted.store.record_files import RESULTS
from farsighted.store.record_text import text_of
from farsighted.store.records import PlannedCell
from farsighted.store.result_records import CellEntry, MyopiaEntry, OverlapEntry, ResultsRecord, SummaryEntry


def build_results(audit: MeasuredAudit) -> ResultsRecord:
    """Return everything that the report says, as the JSON value of results.json.

    A planned cell without artifacts is entered as `missing`, artifacts that the plan does not name are left out with a
    note. A missing number is None, and its reason is under `missing`. NaN never occurs. Equal artifacts
    give an equal value: the bootstrap draws from its own named stream.
    """
    plan, settings = audit.plan, audit.settings
    members: dict[GroupKey, list[PlannedCell]] = {}
    for cell in plan["cells"]:
        members.setdefault(GroupKey.of(cell), []).append(cell)
    failures = plan["failures"]
    absent = {
        cell["id"]: absent_value(cell, failures.get(cell["id"]))
        for cell in plan["cells"]
        if cell["id"] not in audit.cells
    }
    parts = [_group_part(audit.groups[key], named, absent, settings) for key, named in members.items()]
    entries = {entry["id"]: entry for part in parts for entry in part.cells}
    return {
        "schema": RESULTS_SCHEMA,
        "farsighted": version("farsighted"),
        "title": plan["title"],
        "config": plan["config"],
        "command": plan["command"],
        "environment": plan["environment"],
        "reference": settings.reference,
        "references": list(settings.references),
        "statistics": {
            "resamples": settings.resamples,
            "confidence": settings.confidence,
            "correction": settings.correction,
            "smallest_effect": {**asdict(settings.smallest)},
        },
        "sets": {name: rule for cell in audit.cells.values() for name, rule in cell.meta["evaluation"].items()},
        "cells": [entries[cell["id"]] for cell in plan["cells"]],
        "summary": [entry for part in parts for entry in part.summary],
        "myopia": [part.myopia for part in parts if part.myopia is not None],
        "overlap": [entry for part in parts for entry in part.overlap],
        "notes": [*plan["notes"], *_stranger_notes(audit.strangers), *_notes(parts)],
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
