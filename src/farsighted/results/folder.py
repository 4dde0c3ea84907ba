"""From an audit's folder, or from its cells in memory, to the groups that may be compared."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from farsighted.results.groups import Group, Settings, report_group
from farsighted.results.lookup import GroupKey
from farsighted.store.layout import Layout
from farsighted.store.reader import CellArtifacts, finished_cells, read_cell, read_plan
from farsighted.store.records import CellIdentity, PlannedRecord, identity_of


def groups_of(root: Path) -> dict[GroupKey, Group]:
    """Read the plan and the finished cells under `root`, and measure them by group, in the order of the plan.

    A group of which no cell has finished is there, empty: it was planned. `settings_of` gives the settings.

    Raises:
        StorageError: no plan, a damaged cell, or cells of one group that were scored on different items.
    """
    return planned_groups((read_cell(folder) for folder in finished_cells(root)), read_plan(Layout(root)))


def settings_of(root: Path) -> Settings:
    """Return what the plan under `root` says about statistics; raises `StorageError` where there is none."""
    return Settings.of(read_plan(Layout(root))["config"])


def planned_groups(cells: Iterable[CellArtifacts], audit: PlannedRecord) -> dict[GroupKey, Group]:
    """Measure the cells that the plan names, by group; others are left out.

    Raises:
        StorageError: cells of one group that were scored on different items.
    """
    settings = Settings.of(audit["config"])
    members: dict[GroupKey, list[CellArtifacts]] = {GroupKey.of(cell): [] for cell in audit["cells"]}
    planned = planned_cells(cells, audit)
    for cell in audit["cells"]:
        if cell["id"] in planned:
            members[GroupKey.of(cell)].append(planned[cell["id"]])
    return {key: report_group(key, found, settings) for key, found in members.items()}


def planned_cells(cells: Iterable[CellArtifacts], audit: PlannedRecord) -> dict[str, CellArtifacts]:
    """Return the cells that the plan names, by id, under the names that the plan has for them.

    A label, the name of an order, and being a reference decide no result, so they are no part of a cell's id, and may
    have been others when the cell was run.
    """
    planned = {cell["id"]: cell for cell in audit["cells"]}
    return {cell.meta["id"]: _named(cell, planned[cell.meta["id"]]) for cell in cells if cell.meta["id"] in planned}


def _named(cell: CellArtifacts, planned: CellIdentity) -> CellArtifacts:
    return replace(cell, meta={**cell.meta, **identity_of(planned)})
