"""One point of the map: all selectors through the audit's own protocol and metrics, in a folder that is deleted."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from farsighted.api import prepare
from farsighted.core.errors import StorageError
from farsighted.core.numbers import number_or_none
from farsighted.phase_map.design import LATER, METRICS, NOW, REFERENCE, SELECTORS, DesignPoint, Sizes, point_config
from farsighted.phase_map.measure import measure_pools, rank_share
from farsighted.phase_map.pools import read_pools
from farsighted.protocol.tasks import Desk, run_cell_task, run_clusters_task, run_stage_task
from farsighted.results.groups import Group, Settings, report_group
from farsighted.results.lookup import GroupKey
from farsighted.store import atomic
from farsighted.store.layout import Layout
from farsighted.store.reader import read_cell


def run_point(point: DesignPoint, sizes: Sizes) -> Mapping[str, Any]:
    """Run the seven cells of a point and return its record, a JSON value; None where a cell diverged.

    Raises:
        FarsightedError: as an audit does.
    """
    config = point_config(point, sizes)
    prepared = prepare(config)
    with atomic.temporary_folder() as root:
        cells = {cell.id: cell for cell in prepared.cells}
        desk = Desk(config, prepared.inputs, cells, Layout(root), lambda: False, lambda _: None)
        for name in prepared.inputs.stages:
            run_stage_task(desk, name)
        run_clusters_task(desk)
        for cell_id in cells:
            run_cell_task(desk, cell_id)
        artifacts = [read_cell(desk.layout.cell(cell_id)) for cell_id in cells]
        dumped = config.model_dump(mode="json")
        place = measure_pools(read_pools(root, tuple(prepared.inputs.stages), {"config": dumped, "notes": ()}))
    group = report_group(GroupKey.of(artifacts[0].meta), artifacts, Settings.of(dumped))
    return {
        "point": point.number,
        "parameters": point.parameters,
        "data_seed": point.data_seed,
        "seed": point.seed,
        "world": prepared.inputs.model_hash,
        "measured": {
            **{name: number_or_none(getattr(place, name)) for name in ("alignment", "embedding_alignment")},
            **{name: number_or_none(getattr(place, name)) for name in ("redundancy", "noise")},
            "budget": point.budget / 100,
            "rank": rank_share(point.rank, place.width),
        },
        **_differences(group, point.seed),
    }


def world_hash(point: DesignPoint, sizes: Sizes) -> str:
    """Return the content hash of a point's world; it changes with the program that makes worlds."""
    return prepare(point_config(point, sizes)).inputs.model_hash


def _differences(group: Group, seed: int) -> Mapping[str, Any]:
    """The random selector's values; the others' differences, with standard errors of those now and later."""
    if (REFERENCE, seed) not in group.cells:
        raise StorageError("A point of the map must have a cell of random selection, but has none. Run it again.")
    base = group.cells[REFERENCE, seed]
    differences, errors = {}, {}
    for name in SELECTORS:
        if name == REFERENCE:
            continue
        cell = group.cells[name, seed]
        differences[name] = {key: number_or_none(cell.values[key] - base.values[key]) for key in METRICS}
        errors[name] = {
            key: number_or_none(float(np.std(cell.replicates[key] - base.replicates[key], ddof=1)))
            for key in (NOW, LATER)
        }
    reference = {key: number_or_none(base.values[key]) for key in METRICS}
    return {"random": reference, "differences": differences, "standard_errors": errors}
