"""One point of the map: all selectors through the audit's own protocol and metrics, in a folder that is deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from farsighted.api import prepare, run_here
from farsighted.core.errors import StorageError
from farsighted.core.numbers import number_or_none
from farsighted.launch.observers import Silent
from farsighted.launch.work import Handler, Line
from farsighted.phase_map.design import (
    LATER,
    METRICS,
    NOW,
    REFERENCE,
    SELECTORS,
    DesignPoint,
    Sizes,
    design_points,
    point_config,
)
from farsighted.phase_map.measure import measure_pools, rank_share
from farsighted.phase_map.pools import read_pools
from farsighted.phase_map.records import PointRecord
from farsighted.results.groups import Group, Settings, report_group
from farsighted.results.lookup import GroupKey
from farsighted.store import atomic
from farsighted.store.layout import Layout
from farsighted.store.reader import read_cell
from farsighted.store.records import Numbers

OPENER: Final = "farsighted.phase_map.point:open_points"


def open_points(argument: Mapping[str, object], folder: Path, line: Line) -> Handler:
    """Return what measures points, named by their number in the design; nothing is written into `folder`.

    Args:
        argument: `points` and `seed` of the design, and the `sizes` of its worlds.
        folder: The map's.
        line: Is asked whether to stop.
    """
    asked = _ASKED.validate_python(argument)
    points = design_points(asked.points, asked.seed)
    return lambda task: run_point(points[int(task.name)], asked.sizes, line.should_stop)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The argument of `open_points`."""

    points: int
    seed: int
    sizes: Sizes


_ASKED: Final = TypeAdapter(_Asked)


def run_point(point: DesignPoint, sizes: Sizes, should_stop: Callable[[], bool] = lambda: False) -> PointRecord:
    """Run the seven cells of a point and return its record, a JSON value; None where a cell diverged.

    Raises:
        FarsightedError: as an audit does; `InterruptedRunError` soon after `should_stop` says so.
    """
    config = point_config(point, sizes)
    prepared = prepare(config)
    with atomic.temporary_folder() as root:
        run_here(prepared, prepared.cells, root, should_stop, Silent())
        artifacts = [read_cell(Layout(root).cell(cell.id)) for cell in prepared.cells]
        dumped = config.record()
        place = measure_pools(
            read_pools(root, tuple(prepared.inputs.stages), {"config": dumped, "notes": [], "cells": []})
        )
    group = report_group(GroupKey.of(artifacts[0].meta), artifacts, Settings.of(dumped))
    compared = _compared(group, point.seed)
    return {
        "point": point.number,
        "parameters": point.parameters,
        "data_seed": point.data_seed,
        "seed": point.seed,
        "world": prepared.inputs.model_hash,
        "measured": {
            "alignment": number_or_none(place.alignment),
            "embedding_alignment": number_or_none(place.embedding_alignment),
            "redundancy": number_or_none(place.redundancy),
            "noise": number_or_none(place.noise),
            "budget": point.budget / 100,
            "rank": rank_share(point.rank, place.width),
        },
        "random": compared.random,
        "differences": compared.differences,
        "standard_errors": compared.errors,
    }


def world_hash(point: DesignPoint, sizes: Sizes) -> str:
    """Return the content hash of a point's world; it changes with the program that makes worlds."""
    return prepare(point_config(point, sizes)).inputs.model_hash


class _Compared(NamedTuple):
    """The random selector's values; the others' differences, with standard errors of those now and later."""

    random: Numbers
    differences: dict[str, Numbers]
    errors: dict[str, Numbers]


def _compared(group: Group, seed: int) -> _Compared:
    if (REFERENCE, seed) not in group.cells:
        raise StorageError("A point of the map must have a cell of random selection, but has none. Run it again.")
    base = group.cells[REFERENCE, seed]
    differences: dict[str, Numbers] = {}
    errors: dict[str, Numbers] = {}
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
    return _Compared(reference, differences, errors)
