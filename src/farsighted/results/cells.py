"""One cell of the grid as an entry of results.json: what was measured, what is missing and why."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.metrics.diagnostics import count_non_finite, count_spikes
from farsighted.results import measures
from farsighted.results.columns import COSTS, DIAGNOSTICS, METRICS, STABILITY, VARIANTS
from farsighted.results.items import CellItems
from farsighted.results.measures import SetScores, TokenRatio, Weights

IDENTITY = ("id", "selector", "seed", "order", "budget", "adaptation", "reference")
"""What a planned cell is known by; the rest of an entry exists only once the cell has run."""


@dataclass(frozen=True, slots=True)
class CellReport:
    """A cell that has run to its end or diverged, with everything that a report needs of it."""

    meta: Mapping[str, Any]
    """cell.json."""
    scores: SetScores
    values: Mapping[str, float]
    """Every metric and diagnostic; NaN where missing."""
    replicates: Mapping[str, np.ndarray]
    """Every metric of every resample of items, (B,); a diagnostic has no items, so its replicates are constant."""
    chosen: frozenset[str]
    """The examples that were trained on, named `stage number/id`."""
    raw: Sequence[Mapping[str, Any]] = ()
    """Raw measures of base and final model, as they go into results.json."""
    tokens: TokenRatio | None = None

    @property
    def done(self) -> bool:
        """Whether the cell ran to its end."""
        return bool(self.meta["status"] == "done")

    @property
    def ranked(self) -> bool:
        """Whether the cell takes part in ranks, gap and thresholds."""
        return self.done and not self.meta["reference"]


def report_value(cell: CellReport, weights: Weights, reference: str) -> dict[str, Any]:
    """Return the entry of a cell that has run."""
    why = _reasons(cell, weights, reference)
    stages = [_stage_value(stage) for stage in cell.meta["per_stage"]]
    return {
        **{key: cell.meta[key] for key in IDENTITY},
        **{key: cell.meta[key] for key in ("family", "stages", "granularity", "status", "reason")},
        "example_ids": cell.meta.get("example_ids", []),
        "score_matrix": [[number_or_none(score) for score in row] for row in cell.scores.matrix_ST],
        "ood": {name.partition("/")[2]: number_or_none(score) for name, score in cell.scores.ood.items()},
        "probes": {kind: [_curve_value(curve) for curve in curves] for kind, curves in cell.scores.probes.items()},
        "measures": list(cell.raw),
        "metrics": {key: number_or_none(cell.values[key]) for key in METRICS},
        "diagnostics": {key: number_or_none(cell.values[key]) for key in DIAGNOSTICS},
        "missing": {key: why(key) for key in (*METRICS, *DIAGNOSTICS) if math.isnan(cell.values[key])},
        "censored": _censored(cell.tokens),
        "variants": {
            key: number_or_none(value) if cell.done else None for key, value in measures.variants(cell.scores).items()
        },
        "cost": _cost(cell.meta),
        "stability": stability(cell.meta["per_stage"]),
        **{key: cell.meta.get(key) for key in ("adapter_hash", "selection_hash")},
        "per_stage": stages,
    }


def absent_value(planned: Mapping[str, Any], failure: str | None = None) -> dict[str, Any]:
    """Return the entry of a cell that is in the plan, but of which there is no finished folder.

    `failure`: why it was given up, where it was.
    """
    unfinished = "The cell has not finished. Run the same command again: it goes on with what is left."
    return {
        **{key: planned[key] for key in IDENTITY},
        "family": planned.get("family"),
        "stages": planned.get("stages", []),
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
        "missing": dict.fromkeys((*METRICS, *DIAGNOSTICS), "the cell has not finished"),
        "censored": None,
        "variants": dict.fromkeys(VARIANTS),
        "cost": dict.fromkeys(COSTS),
        "stability": dict.fromkeys(STABILITY),
        "adapter_hash": None,
        "selection_hash": None,
        "per_stage": [],
    }


def measure(meta: Mapping[str, Any], items: CellItems, weights: Weights) -> tuple[SetScores, dict[str, float]]:
    """Return a cell's set scores and all of its values but tokens to threshold; NaN throughout where it diverged."""
    scores = measures.measured(items)
    if meta["status"] != "done":
        return scores, dict.fromkeys((*METRICS, *DIAGNOSTICS), math.nan)
    values = {key: float(value) for key, value in measures.metrics(scores, weights).items()}
    values["tokens_to_threshold"] = math.nan
    values |= {key: _nan(meta["run"].get(key)) for key in DIAGNOSTICS if key != "adapter_drift"}
    drift = [_nan(stage.get("adapter_drift")) for stage in meta["per_stage"][1:]]
    values["adapter_drift"] = float(np.mean(drift)) if drift else math.nan
    return scores, values


def stability(per_stage: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the counts of training stability over all stages (spec §3).

    `non_finite` counts steps whose loss or gradient norm is not finite; spikes are counted within a stage, for a jump
    where the next stage begins is no instability.
    """
    counts = dict.fromkeys(STABILITY, 0)
    for stage in per_stage:
        losses, norms = ([_nan(value) for value in stage.get(key, [])] for key in ("losses", "grad_norms"))
        counts["non_finite"] += count_non_finite(a + b for a, b in itertools.zip_longest(losses, norms, fillvalue=0.0))
        counts["loss_spikes"] += count_spikes(losses)
        counts["grad_norm_spikes"] += count_spikes(norms)
    return counts


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _stage_value(stage: Mapping[str, Any]) -> dict[str, Any]:
    lists = {key: [number_or_none(value) for value in stage.get(key, [])] for key in ("losses", "grad_norms")}
    return {**stage, **lists}


def _curve_value(curve: measures.CurveScores) -> dict[str, Any]:
    return {
        "after_stage": curve.after_stage,
        "stage": curve.stage,
        "tokens": [float(tokens) for tokens in curve.tokens_P],
        "scores": [number_or_none(score) for score in curve.scores_P],
        "auc": number_or_none(curve.area),
    }


def _censored(tokens: TokenRatio | None) -> dict[str, int] | None:
    if tokens is None:
        return None
    return {"selector": tokens.censored, "reference": tokens.reference_censored, "stages": tokens.stages}


def _cost(meta: Mapping[str, Any]) -> dict[str, float | None]:
    over_stages = ("scoring_seconds", "training_seconds", "scored_tokens", "trained_tokens")
    cost: dict[str, float | None] = {key: sum(stage[key] for stage in meta["per_stage"]) for key in over_stages}
    cost |= {key: meta.get(key) for key in ("evaluation_seconds", "probe_seconds", "probe_tokens")}
    return {key: cost[key] for key in COSTS}


def _reasons(cell: CellReport, weights: Weights, reference: str) -> Callable[[str], str]:
    """Return the function from a missing value's key to the sentence that says why it is missing."""
    if not cell.done:
        return lambda _: f"the cell diverged: {cell.meta['reason']}"
    recorded = cell.meta.get("missing", {})
    sums = _parts(weights)
    if len(cell.meta["stages"]) == 1:
        derived = dict.fromkeys(_NEED_TWO_STAGES, "there is only one stage, and nothing follows it")
    else:
        derived = {
            "future_auc": "not every stage but the last has a complete curve of the neutral probe",
            "future_auc_own": "not every stage but the last has a complete curve of the own probe",
            "tokens_to_threshold": _why_no_ratio(cell, reference),
        }
    derived["ood"] = "no OOD set was evaluated after the last stage"
    derived |= dict.fromkeys(DIAGNOSTICS.keys() - derived.keys(), "the run did not record it")

    def why(key: str) -> str:
        if key in sums:
            return f"needs {' and '.join(part for part in sums[key] if math.isnan(cell.values[part]))}"
        fallback = "the score matrix has cells that were not evaluated"
        return str(recorded.get(key) or derived.get(key, fallback))

    return why


_NEED_TWO_STAGES = (
    "forgetting",
    "forward_transfer",
    "future_auc",
    "future_auc_own",
    "tokens_to_threshold",
    "adapter_drift",
)


def _parts(weights: Weights) -> dict[str, list[str]]:
    """The metrics that each sum needs; those of weight 0 are not needed."""
    u_long = {"future_auc": weights.u_long.alpha, "forgetting": weights.u_long.beta, "ood": weights.u_long.gamma}
    weighted = {"long_horizon": dataclasses.asdict(weights.long_horizon), "u_long": {"final_average": 1.0, **u_long}}
    return {name: [part for part, weight in parts.items() if weight != 0] for name, parts in weighted.items()}


def _why_no_ratio(cell: CellReport, reference: str) -> str:
    if cell.meta["reference"]:
        return "a reference row takes no part in thresholds"
    if cell.tokens is None:
        return f"needs the complete neutral probes of this cell and of '{reference}' with the same seed"
    return f"'{reference}' starts every probe at or above the threshold, so there are no tokens to compare with"
