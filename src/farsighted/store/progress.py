"""How far each cell of an audit is, from what lies on disk."""

import json
from collections.abc import Mapping
from typing import Any

from farsighted.store.layout import MARKER, Layout


def cell_statuses(layout: Layout, plan: Mapping[str, Any]) -> dict[str, str]:
    """Return id to `done`, `diverged`, `failed`, `interrupted after N stages` or `missing` for every planned cell."""
    failures = plan.get("failures", {})
    return {cell["id"]: _status(layout, cell["id"], failures) for cell in plan["cells"]}


def _status(layout: Layout, cell_id: str, failures: Mapping[str, str]) -> str:
    if layout.finished(cell_id):
        meta = json.loads((layout.cell(cell_id) / "cell.json").read_text())
        return str(meta["status"])
    if cell_id in failures:
        return "failed"
    folder = layout.checkpoints(cell_id)
    positions = [path.name for path in folder.glob("[0-9]*") if (path / MARKER).is_file()] if folder.is_dir() else []
    if not positions:
        return "missing"
    return f"interrupted after {int(max(positions).split('-')[0])} stages"
