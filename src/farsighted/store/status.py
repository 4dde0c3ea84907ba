"""How far each cell of an audit is, from its files."""

from collections.abc import Mapping

from farsighted.store.claims import Claims
from farsighted.store.layout import MARKER, Layout
from farsighted.store.reader import read_meta
from farsighted.store.records import PlanRecord


def cell_statuses(layout: Layout, plan: PlanRecord) -> dict[str, str]:
    """Return the status of every planned cell by id.

    It is `done`, `diverged`, `failed`, `running, N stages done`, `interrupted after N stages` or `missing`. Raises
    `StorageError` where a finished cell cannot be read.
    """
    return {cell["id"]: _status(layout, cell["id"], plan["failures"]) for cell in plan["cells"]}


def cell_holders(layout: Layout, plan: PlanRecord) -> dict[str, str]:
    """Return who works on the cells that are running, by id: which process, and when it was last heard of."""
    found = {cell["id"]: Claims(layout.claims).held(cell["id"]) for cell in plan["cells"]}
    return {
        cell_id: f"{claim.holder}, heard of {claim.silent_seconds:.0f} s ago"
        for cell_id, claim in found.items()
        if claim
    }


def _status(layout: Layout, cell_id: str, failures: Mapping[str, str]) -> str:
    if layout.finished(cell_id):
        return read_meta(layout.cell(cell_id))["status"]
    folder = layout.checkpoints(cell_id)
    positions = [path.name for path in folder.glob("[0-9]*") if (path / MARKER).is_file()] if folder.is_dir() else []
    stages = int(max(positions).split("-")[0]) if positions else 0
    if Claims(layout.claims).held(cell_id):
        return f"running, {stages} stages done"
    if cell_id in failures:
        return "failed"
    return f"interrupted after {stages} stages" if positions else "missing"
