"""The numbers of a stage and of a cell, as they go into `cell.json`.

*Reference:* definitions.md#difficulty-and-quality-of-what-was-selected.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from farsighted.candidates.pool_work import PoolWork
from farsighted.config.audit import AuditConfig
from farsighted.core.numbers import number_or_none
from farsighted.learners.base import ChangeInner
from farsighted.metrics.diagnostics import adapter_drift, capability_entropy, update_concentration
from farsighted.protocol.cell_state import CellProgress
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.plan import Cell
from farsighted.store.layout import SCHEMA
from farsighted.store.records import (
    ChosenNumbers,
    MeasuredCell,
    ReplayedNumbers,
    RunNumbers,
    SetRule,
    StageNumbers,
    WarmUpNumbers,
)
from farsighted.training.record import SketchSample
from farsighted.training.stage import StageInput, StageProgress

_NOTHING_CHOSEN: Final[RunNumbers] = {
    "capability_entropy": None,
    "update_concentration": None,
    "mean_difficulty": None,
    "mean_quality": None,
}


def stage_numbers(stage: StageInput, progress: StageProgress, change: ChangeInner, pool_cost: PoolWork) -> StageNumbers:
    """Return the entry of `per_stage`; a number that does not exist is None.

    `pool_cost`: of the signals that the selector reads and that are found once for the pool: what scoring that takes is
    part of the stage's, and what training that takes stands apart from what the budget allows.
    """
    record = progress.record
    rows = stage.pool.rows_of(record.chosen_ids())
    numbers = record.numbers()
    drift = adapter_drift(change.earlier_later, change.later_squared, change.earlier_squared)
    return {
        **numbers,
        "losses": [number_or_none(loss) for loss in numbers["losses"]],
        "grad_norms": [number_or_none(norm) for norm in numbers["grad_norms"]],
        "scored_tokens": numbers["scored_tokens"] + pool_cost.scored_tokens,
        "scoring_seconds": numbers["scoring_seconds"] + pool_cost.seconds,
        "stage": stage.pool.name,
        "trained_examples": len(rows),
        **_replayed(stage, rows),
        **_warm_up(pool_cost),
        "rounds": progress.round,
        "steps": progress.steps,
        "longest_response": int(stage.pool.response_lengths.max()),
        "adapter_drift": number_or_none(drift),
        **_selected(stage, rows, record.sample),
        "difficulty_sum": float(stage.known["difficulty"][rows].sum()),
        "quality_sum": float(stage.known["quality"][rows].sum()),
        "clusters": np.bincount(stage.known["cluster"][rows], minlength=stage.cluster_count).tolist(),
    }


def _replayed(stage: StageInput, rows: np.ndarray) -> ReplayedNumbers:
    """How much of what was trained on comes from earlier stages; the diagnostics count it like the rest."""
    if not stage.replay_share:
        return {}
    again = rows[rows >= stage.arriving]
    tokens = int(stage.pool.response_lengths[again].sum())
    return {"replayed_examples": len(again), "replayed_tokens": tokens}


def _warm_up(pool_cost: PoolWork) -> WarmUpNumbers:
    return {"warm_up_tokens": pool_cost.trained_tokens} if pool_cost.trained_tokens else {}


def _selected(stage: StageInput, rows: np.ndarray, sample: SketchSample) -> ChosenNumbers:
    if len(rows) == 0:
        return {**_NOTHING_CHOSEN, "concentration_sample": 0}
    return {
        "capability_entropy": float(capability_entropy(stage.known["cluster"][rows])),
        "update_concentration": number_or_none(update_concentration(sample.sketches)),
        "concentration_sample": len(sample.keys),
        "mean_difficulty": float(stage.known["difficulty"][rows].mean()),
        "mean_quality": float(stage.known["quality"][rows].mean()),
    }


def cell_meta(cell: Cell, config: AuditConfig, inputs: AuditInputs, done: CellProgress) -> MeasuredCell:
    """Return `cell.json` but for status, reason and adapter hash."""
    return {
        "schema": SCHEMA,
        **cell.row(),
        "granularity": config.training.granularity,
        "evaluation": _normalisation(inputs),
        "pool_hashes": {name: stage.fingerprint for name, stage in inputs.stages.items()},
        "selection_hash": selection_hash(done.selections),
        "per_stage": done.per_stage,
        "run": _run(done),
        "missing": _missing(done),
        "evaluation_seconds": done.evaluation_seconds,
        "probe_seconds": done.probe_seconds,
        "probe_tokens": done.probe_tokens,
        "uninterrupted": done.interruptions == 0,
    }


def selection_hash(tables: Sequence[pa.Table]) -> str:
    """Return the SHA-256 of all selected ids with stage, round and rank, in that order."""
    digest = hashlib.sha256()
    if tables:
        table = pa.concat_tables(tables, promote_options="default")
        chosen = table.filter(table["chosen"]).sort_by([(key, "ascending") for key in ("stage_index", "round", "rank")])
        for row in zip(*(chosen[name].to_pylist() for name in ("stage_index", "round", "id")), strict=True):
            digest.update(f"{row}\n".encode())
    return digest.hexdigest()


def _run(done: CellProgress) -> RunNumbers:
    """Diagnostics over the whole run's selected examples."""
    count = sum(stage["trained_examples"] for stage in done.per_stage)
    if count == 0:
        return _NOTHING_CHOSEN
    clusters = np.sum([stage["clusters"] for stage in done.per_stage], axis=0)
    return {
        "capability_entropy": float(capability_entropy(np.repeat(np.arange(len(clusters)), clusters))),
        "update_concentration": number_or_none(update_concentration(done.sample.sketches)),
        "mean_difficulty": sum(stage["difficulty_sum"] for stage in done.per_stage) / count,
        "mean_quality": sum(stage["quality_sum"] for stage in done.per_stage) / count,
    }


def _missing(done: CellProgress) -> dict[str, str]:
    if len(done.per_stage) < 2:
        return {"adapter_drift": "Drift compares a stage with the ones before it: it needs two finished stages."}
    return {}


def _normalisation(inputs: AuditInputs) -> dict[str, SetRule]:
    sets = [stage.validation for stage in inputs.stages.values()] + list(inputs.ood_sets)
    return {
        found.name: {
            "measure": found.measure,
            "chance": found.chance,
            "ceiling": found.ceiling,
            "items": len(found.items),
        }
        for found in sets
    }
