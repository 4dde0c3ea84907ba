"""How alike the pools of neighbouring stages are, order by order (claim 10)."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from farsighted.metrics.diagnostics import neighbour_alignment
from farsighted.store.layout import Layout
from farsighted.store.reader import CellArtifacts, read_cell
from farsighted.store.records import CellIdentity


def alignment_by_order(root: Path, planned: Iterable[CellIdentity]) -> dict[str, float]:
    """Return the alignment of neighbouring pools of every order of which a cell has finished.

    `planned`: entries of the plan's `cells`. A pool's mixture is read off the candidates of one cell: every candidate
    is listed, chosen or not. Raises `StorageError` for a damaged cell.
    """
    layout = Layout(root)
    found: dict[str, float] = {}
    for cell in planned:
        order, folder = cell["order"], layout.cell(cell["id"])
        if order not in found and layout.finished(cell["id"]):
            found[order] = neighbour_alignment(_mixtures(read_cell(folder)))
    return found


def _mixtures(cell: CellArtifacts) -> np.ndarray:
    """Candidates by stage and cluster, (S, C), stages in the order of the cell."""
    table = cell.selections
    clusters = 1 + (pc.max(table["cluster"]).as_py() or 0)
    rows = []
    for index in range(1, len(cell.meta["stages"]) + 1):
        numbers = table.filter(pc.field("stage_index") == index)["cluster"].to_numpy()
        rows.append(np.bincount(numbers, minlength=clusters))
    return np.array(rows)
