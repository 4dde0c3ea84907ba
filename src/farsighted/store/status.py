"""How far each cell of an audit is, from what lies on disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from farsighted.store.layout import MARKER, Layout


def cell_statuses(layout: Layout, plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the status of every planned cell by id.

    It is `done`, `diverged`, `failed`, `running, N stages done`, `interrupted after N stages` or `missing`.
    """
    failures = plan.get("failures", {})
    return {cell["id"]: _status(layout, cell["id"], failures) for cell in plan["cells"]}


def _status(layout: Layout, cell_id: str, failures: Mapping[str, str]) -> str:
    if layout.finished(cell_id):
        meta = json.loads((layout.cell(cell_id) / "cell.json").read_text())
        return str(meta["status"])
    folder = layout.checkpoints(cell_id)
    positions = [path.name for path in folder.glob("[0-9]*") if (path / MARKER).is_file()] if folder.is_dir() else []
    stages = int(max(positions).split("-")[0]) if positions else 0
    if _held(layout.lock(cell_id)):
        return f"running, {stages} stages done"
    if cell_id in failures:
        return "failed"
    return f"interrupted after {stages} stages" if positions else "missing"


def _held(lock: Path) -> bool:
    """Whether a process works on the cell; one that was killed holds nothing."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # Somebody else's folder, open for reading only: nobody can tell.
        return False
