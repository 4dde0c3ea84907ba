"""One cell of the grid as an entry of results.json: what was measured, what is missing and why."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.metrics.diagnostics import count_non_finite, count_spikes
from farsighted.results.columns import COSTS, STABILITY
from farsighted.results.metrics import DIAGNOSTICS, METRICS, VARIANTS, Metric, Weights, all_rows, variants
from farsighted.results.set_scores import CurveScores, SetScores
from farsighted.results.thresholds import Crossings
from farsighted.store.records import CellRecord, Numbers, PlannedCell, StageNumbers, identity_of
from farsighted.store.result_records import CellEntry, CensoredRecord, CurveEntry, RawRow


@dataclass(frozen=True, slots=True)
class CellReport:
    """A cell that has run to its end or diverged, with everything that a report needs of it."""

    meta: CellRecord
    scores: SetScores
    values: dict[str, float]
    """Every metric and diagnostic; NaN where missing."""
    replicates: dict[str, np.ndarray]
    """Every metric of every resample of items, (B,); a diagnostic has no items, so its replicates are constant."""
    chosen: frozenset[str]
    """The examples that were trained on, named `stage number/id`."""
    raw: Sequence[RawRow] = ()
    """Raw measures of base and final model, as they go into results.json."""
    crossings: Crossings | None = None
    """Its tokens to the common thresholds; None where it takes no part in them, or the reference has not finished."""

    @property
    def done(self) -> bool:
        """Whether the cell ran to its end."""
        return self.meta["status"] == "done"

    @property
    def ranked(self) -> bool:
        """Whether the cell takes part in ranks, gap and thresholds."""
        return self.done and not self.meta["reference"]


def report_value(cell: CellReport, weights: Weights, reference: str) -> CellEntry:
    """Return the entry of a cell that has run."""
    missing = [row for key, row in all_rows().items() if math.isnan(cell.values[key])]
    return {
        **identity_of(cell.meta),
        "family": cell.meta["family"],
        "stages": cell.meta["stages"],
        "granularity": cell.meta["granularity"],
        "status": cell.meta["status"],
        "reason": cell.meta["reason"],
        "example_ids": cell.meta["example_ids"],
        "score_matrix": [[number_or_none(score) for score in row] for row in cell.scores.matrix_ST],
        "ood": {name.partition("/")[2]: number_or_none(score) for name, score in cell.scores.ood.items()},
        "probes": {
            "neutral": [_curve_value(curve) for curve in cell.scores.probes["neutral"]],
            "own": [_curve_value(curve) for curve in cell.scores.probes["own"]],
        },
        "measures": list(cell.raw),
        "metrics": {key: number_or_none(cell.values[key]) for key in METRICS},
        "diagnostics": {key: number_or_none(cell.values[key]) for key in DIAGNOSTICS},
        "missing": {row.key: _reason(row, cell, weights, reference) for row in missing},
        "censored": _censored(cell.crossings),
        "variants": {key: number_or_none(value) if cell.done else None for key, value in variants(cell.scores).items()},
        "cost": _cost(cell.meta),
        "stability": {**stability(cell.meta["per_stage"])},
        "adapter_hash": cell.meta["adapter_hash"],
        "selection_hash": cell.meta["selection_hash"],
        "per_stage": cell.meta["per_stage"],
    }


def absent_value(planned: PlannedCell, failure: str | None = None) -> CellEntry:
    """Return the entry of a cell that is in the plan, but of which there is no finished folder.

    `failure`: why it was given up, where it was.
    """
    unfinished = "The cell has not finished. Run the same command again: it goes on with what is left."
    return {
        **identity_of(planned),
        "family": planned["family"],
        "stages": planned["stages"],
        "granularity": None,
        "status": "missing",
        "reason": failure or unfinished,
        "example_ids": [],
        "score_matrix": [],
        "ood": {},
        "probes": {"neutral": [], "own": []},
        "measures": [],
        "metrics": dict.fromkeys(METRICS),
        "diagnostics": dict.fromkeys(DIAGNOSTICS),
        "missing": dict.fromkeys(all_rows(), "the cell has not finished"),
        "censored": None,
        "variants": dict.fromkeys(VARIANTS),
        "cost": dict.fromkeys(COSTS),
        "stability": dict.fromkeys(STABILITY),
        "adapter_hash": None,
        "selection_hash": None,
        "per_stage": [],
    }


def stability(per_stage: Iterable[StageNumbers]) -> dict[str, int]:
    """Return the counts of training stability over all stages (definitions.md#training-stability).

    `non_finite` counts steps whose loss or gradient norm is not finite; spikes are counted within a stage, for a jump
    where the next stage begins is no instability.
    """
    counts = dict.fromkeys(STABILITY, 0)
    for stage in per_stage:
        losses, norms = ([_nan(value) for value in values] for values in (stage["losses"], stage["grad_norms"]))
        counts["non_finite"] += count_non_finite(a + b for a, b in itertools.zip_longest(losses, norms, fillvalue=0.0))
        counts["loss_spikes"] += count_spikes(losses)
        counts["grad_norm_spikes"] += count_spikes(norms)
    return counts


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _curve_value(curve: CurveScores) -> CurveEntry:
    return {
        "after_stage": curve.after_stage,
        "stage": curve.stage,
        "tokens": [float(tokens) for tokens in curve.tokens_P],
        "scores": [number_or_none(score) for score in curve.scores_P],
        "auc": number_or_none(curve.area),
    }


def _censored(crossings: Crossings | None) -> CensoredRecord | None:
    if crossings is None:
        return None
    return {
        "selector": crossings.censored,
        "reference": crossings.reference_censored,
        "stages": crossings.stages,
    }


def _cost(meta: CellRecord) -> Numbers:
    stages = meta["per_stage"]
    cost: Numbers = {
        "scoring_seconds": sum(stage["scoring_seconds"] for stage in stages),
        "training_seconds": sum(stage["training_seconds"] for stage in stages),
        "scored_tokens": sum(stage["scored_tokens"] for stage in stages),
        # Trained on for a signal, and so apart from what the budget allows.
        "warm_up_tokens": sum(stage.get("warm_up_tokens", 0) for stage in stages),
        "trained_tokens": sum(stage["trained_tokens"] for stage in stages),
        "evaluation_seconds": meta["evaluation_seconds"],
        "probe_seconds": meta["probe_seconds"],
        "probe_tokens": meta["probe_tokens"],
    }
    return {key: cost[key] for key in COSTS}


def _reason(row: Metric, cell: CellReport, weights: Weights, reference: str) -> str:
    """Why a cell that has run lacks a number."""
    if not cell.done:
        return f"the cell diverged: {cell.meta['reason']}"
    if row.parts is not None:
        # A part of weight 0 is not needed.
        needed = [part for part, weight in row.parts(weights).items() if weight != 0]
        return f"needs {' and '.join(part for part in needed if math.isnan(cell.values[part]))}"
    recorded = cell.meta["missing"].get(row.key)
    if recorded:
        return recorded
    if len(cell.meta["stages"]) < row.least_stages:
        return "there is only one stage, and nothing follows it"
    return _why_not_compared(cell, reference) if row.compares else row.missing


def _why_not_compared(cell: CellReport, reference: str) -> str:
    if cell.meta["reference"]:
        return "a reference row takes no part in thresholds"
    if cell.crossings is None:
        return f"needs the complete neutral probes of this cell and of '{reference}' with the same seed"
    return f"'{reference}' starts every probe at or above the threshold, so there are no tokens to compare with"
