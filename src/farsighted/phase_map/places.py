"""The place of an audit on the map: from its folder, or from its configuration after the shared work alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farsighted.api import prepare, run_here
from farsighted.config.audit import AuditConfig, parse_budget
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget
from farsighted.launch.observers import Silent
from farsighted.phase_map.measure import PoolCoordinates, PoolSignals, measure_pools, rank_share
from farsighted.phase_map.pools import read_pools
from farsighted.protocol.notes import heuristics_note
from farsighted.results.lookup import GroupKey, title
from farsighted.store import atomic
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from farsighted.store.records import ConfigRecord, PlannedRecord

_LORA: Final = frozenset({"lora", "qlora", "dora", "rslora", "pissa"})
"""Adaptations whose rank is `lora.r`."""


@dataclass(frozen=True, slots=True)
class Place:
    """One combination of stage order, budget and adaptation of an audit."""

    title: str
    coordinates: Mapping[str, float]
    """Every one of `rules.COORDINATES`; NaN = unknown."""
    embedding_alignment: float
    why_unknown: Mapping[str, str]
    """A sentence for each unknown coordinate."""


def places_of_folder(root: Path) -> tuple[Place, ...]:
    """Return the places of an audit from what its folder holds; no model and no data file is read.

    Raises:
        StorageError: There is no plan, or the shared work has not been done.
    """
    plan = read_plan(Layout(root))
    return _places(root, plan, {})


def places_of_config(config: AuditConfig) -> tuple[Place, ...]:
    """Return the places of an audit that has not been run: its pools are embedded by the base model, no more.

    Raises:
        FarsightedError: as the start of an audit does.
    """
    prepared = prepare(config)
    inputs = prepared.inputs
    plan: PlannedRecord = {
        "config": config.record(),
        "notes": list(heuristics_note(config, inputs)),
        "cells": [cell.row() for cell in prepared.cells],
    }
    with atomic.temporary_folder() as root:
        run_here(prepared, (), root, lambda: False, Silent())
        tokens = {name: stage.pool.response_tokens for name, stage in inputs.stages.items()}
        return _places(root, plan, tokens)


def _places(root: Path, plan: PlannedRecord, tokens: Mapping[str, int]) -> tuple[Place, ...]:
    """Place each group of the plan's cells; `tokens`: response tokens of each pool, where they are known."""
    stages_of: dict[GroupKey, Sequence[str]] = {GroupKey.of(cell): cell["stages"] for cell in plan["cells"]}
    pools: dict[str, PoolSignals] = {}
    for stages in stages_of.values():
        pools |= dict(zip(stages, read_pools(root, stages, plan), strict=True))
    measured: dict[tuple[str, ...], PoolCoordinates] = {}
    places = []
    for key, stages in stages_of.items():
        order = tuple(stages)
        if order not in measured:
            measured[order] = measure_pools([pools[name] for name in order])
        found, sizes = measured[order], {name: len(pools[name].cluster_N) for name in order}
        coordinates = {
            **{name: getattr(found, name) for name in ("alignment", "redundancy", "noise")},
            "budget": budget_share(parse_budget(key.budget), sizes, tokens),
            "rank": _rank(key.adaptation, plan["config"], found.width),
        }
        why = {name: _WHY[name] for name, value in coordinates.items() if math.isnan(value)}
        places.append(Place(title(key), coordinates, found.embedding_alignment, why))
    return tuple(places)


_WHY: Final[Mapping[str, str]] = {
    "alignment": "Alignment is unknown: there is only one stage, and nothing follows it.",
    "redundancy": "Redundancy is unknown: a pool has less than three examples.",
    "noise": "Noise is unknown: no label and no judge says how good each example is, or all are equally good.",
    "budget": "The budget's share is unknown: it is a number of tokens, and the folder does not say of how many.",
    "rank": "The rank's share is unknown: the adapter has none, or examples were embedded by another model.",
}


def budget_share(budget: Budget, sizes: Mapping[str, int], tokens: Mapping[str, int]) -> float:
    """Return the share of a pool that a budget buys, 0..1, mean over stages; NaN where that cannot be known.

    >>> budget_share(Budget(30, "examples", "number"), {"a": 60, "b": 120}, {})
    0.375
    """
    if budget.kind == "share":
        return budget.amount
    totals = sizes if budget.unit == "examples" else tokens
    shares = [min(budget.amount / total, 1.0) for total in totals.values()]
    return sum(shares) / len(shares) if shares else math.nan


def _rank(adaptation: str, config: ConfigRecord, width: int) -> float:
    if adaptation == "full":
        return 1.0
    if config["signals"]["embedding"] is not None:
        return math.nan
    rank = config["lora"]["r"] if adaptation in _LORA else config["peft"].get(adaptation, {}).get("r")
    return rank_share(rank, width) if isinstance(rank, int) and rank else math.nan


def is_audit(source: str) -> bool:
    """Return whether a source is an audit's folder; raises `ConfigError` for a folder that is none."""
    folder = Path(source)
    if not folder.is_dir():
        return False
    if not Layout(folder).audit.is_file():
        raise ConfigError(
            f"'{source}' must be an audit's folder, which holds {Layout(folder).audit.name}, or a configuration, but "
            "is a folder without one. Name the folder given to `farsighted audit --out`."
        )
    return True
