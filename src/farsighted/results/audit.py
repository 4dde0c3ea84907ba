"""An audit read and measured once: its plan, the cells of it that have run, and the groups that may be compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from farsighted.results.groups import Group, Settings, report_group
from farsighted.results.lookup import GroupKey
from farsighted.store.layout import Layout
from farsighted.store.reader import CellArtifacts, finished_cells, read_cell, read_plan
from farsighted.store.records import PlanRecord, identity_of


@dataclass(frozen=True, slots=True)
class MeasuredAudit:
    """What numbers, views and claims are made from."""

    plan: PlanRecord
    settings: Settings
    """What the plan says about statistics."""
    cells: Mapping[str, CellArtifacts]
    """The planned cells that have run, by id, under the names that the plan has for them."""
    groups: Mapping[GroupKey, Group]
    """In the order of the plan; one of which no cell has run is there, empty."""
    strangers: tuple[str, ...]
    """Ids of finished cells that the plan does not name, sorted; they are left out."""


def read_audit(root: Path) -> MeasuredAudit:
    """Read the plan and the finished cells under `root`, and measure them.

    Raises:
        StorageError: no plan, a damaged cell, or cells of one group that were scored on different items.
    """
    return measure_audit((read_cell(folder) for folder in finished_cells(root)), read_plan(Layout(root)))


def measure_audit(cells: Iterable[CellArtifacts], plan: PlanRecord) -> MeasuredAudit:
    """Measure the cells that a plan names, by group; `cells` come in any order.

    A label, the name of an order, and being a reference decide no result, so they are no part of a cell's id, and may
    have been others when the cell was run: a cell goes by the names that the plan has for it.

    Raises:
        StorageError: cells of one group that were scored on different items.
    """
    settings = Settings.of(plan["config"]).for_cells(plan["cells"])
    planned = {cell["id"]: cell for cell in plan["cells"]}
    found: dict[str, CellArtifacts] = {}
    strangers = []
    for cell in cells:
        name = cell.meta["id"]
        if name in planned:
            found[name] = replace(cell, meta={**cell.meta, **identity_of(planned[name])})
        else:
            strangers.append(name)
    members: dict[GroupKey, list[CellArtifacts]] = {GroupKey.of(cell): [] for cell in planned.values()}
    for name, entry in planned.items():
        if name in found:
            members[GroupKey.of(entry)].append(found[name])
    groups = {key: report_group(key, ran, settings) for key, ran in members.items()}
    return MeasuredAudit(plan, settings, found, groups, tuple(sorted(strangers)))
