"""The tables of metrics and diagnostics: to add one, write its function and its row.

A row names what its function needs, by the names of `inputs_of` and `records_of` or by the key of a row above it, and
everything else (results.json, summaries, intervals, tables, scorecard, claims) reads the row. Leading axes `...` are
none for the measured values and (B,) for the replicates. Letters: S stages scored, T tasks, O shifted sets,
B resamples.

*Reference:* definitions.md#ood.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from farsighted.metrics import adaptation, horizon, matrix
from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.results.columns import Column
from farsighted.results.set_scores import SetScores
from farsighted.results.thresholds import Crossings
from farsighted.store.records import CellRecord, StageNumbers

Unit = Literal["points", "AUC", "score", "ratio", "nats", "difficulty", "quality", "share", "cosine"]

PEERS: Final = "crossings"
"""The need of a metric that compares a cell with the other cells of its group and seed."""


class Weights(NamedTuple):
    """What the configuration says about sums of metrics."""

    long_horizon: HorizonWeights
    u_long: ULongWeights


class OnScorecard(NamedTuple):
    """Place of a number on the scorecard."""

    level: Literal[1, 2]
    """1 = now, 2 = later."""
    place: int
    """From the left; the smallest first."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a cell has: a row of `METRICS` or of `DIAGNOSTICS`."""

    column: Column
    unit: Unit
    """What differences are counted in."""
    anchor: str
    """Where docs/definitions.md defines it."""
    function: Callable[..., Any]
    """From what is needed to the number, (...)."""
    needs: tuple[str, ...]
    """Names of the function's arguments, in their order."""
    least_stages: int = 1
    missing: str = "the score matrix has cells that were not evaluated"
    """Why there is no number, where the stages are enough and nothing else is known."""
    parts: Callable[[Weights], Mapping[str, float]] | None = None
    """Of a sum of other metrics: their factors."""
    scorecard: OnScorecard | None = None
    """None = on no level; tables and results.json hold it all the same."""

    @property
    def key(self) -> str:
        """Name in results.json."""
        return self.column.key

    @property
    def compares(self) -> bool:
        """Whether it needs the other cells of the group and seed."""
        return PEERS in self.needs


def inputs_of(scores: SetScores, weights: Weights) -> dict[str, object]:
    """Return what a metric may need of one cell's scores, by name."""
    return {
        "matrix_ST": scores.matrix_ST,
        "final_T": scores.matrix_ST[..., -1, :],
        "forgetting_T": matrix.forgetting_per_stage(scores.matrix_ST),
        "area_T": scores.areas("neutral"),
        "own_area_T": scores.areas("own"),
        "ood_O": scores.shifted,
        "long_horizon_weights": weights.long_horizon,
        "u_long_weights": weights.u_long,
    }


def records_of(meta: CellRecord) -> dict[str, object]:
    """Return what a diagnostic may need of one cell's cell.json, by name."""
    return {"run": meta["run"], "per_stage": meta["per_stage"]}


def values_of(rows: Iterable[Metric], inputs: Mapping[str, object]) -> dict[str, Any]:
    """Return the number of every row whose needs are all there, (...) each; NaN where one of them is NaN."""
    known, found = dict(inputs), {}
    for row in rows:
        if all(need in known for need in row.needs):
            found[row.key] = known[row.key] = row.function(*(known[need] for need in row.needs))
    return found


def all_rows() -> Mapping[str, Metric]:
    """Return the rows of both tables, metrics first."""
    return {**METRICS, **DIAGNOSTICS}


def level(number: Literal[1, 2]) -> list[Metric]:
    """Return the rows of one level of the scorecard, in order."""
    found = [
        (row.scorecard.place, row) for row in all_rows().values() if row.scorecard and row.scorecard.level == number
    ]
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def variants(scores: SetScores) -> dict[str, np.ndarray]:
    """Return forgetting as others define it, (...) each."""
    return {key: function(scores.matrix_ST) for key, function in VARIANTS.items()}


def _recorded(key: str, numbers: Mapping[str, float | None]) -> float:
    value = numbers.get(key)
    return np.nan if value is None else float(value)


def _mean_drift(per_stage: Sequence[StageNumbers]) -> float:
    """The mean over the stages that have one before them."""
    drift = [np.nan if stage["adapter_drift"] is None else stage["adapter_drift"] for stage in per_stage[1:]]
    return float(np.mean(drift)) if drift else np.nan


def _ratio(crossings: Crossings) -> np.ndarray:
    return crossings.ratio


def _of_long_horizon(weights: Weights) -> Mapping[str, float]:
    return asdict(weights.long_horizon)


def _of_u_long(weights: Weights) -> Mapping[str, float]:
    factors = weights.u_long
    return {"final_average": 1.0, "future_auc": factors.alpha, "forgetting": factors.beta, "ood": factors.gamma}


def _by_key(*rows: Metric) -> Mapping[str, Metric]:
    return {row.key: row for row in rows}


_NO_CURVE: Final = "not every stage but the last has a complete curve of the {} probe"
_NOT_RECORDED: Final = "the run did not record it"

METRICS: Final = _by_key(
    Metric(
        Column("current", "Current", "higher", 1),
        "points",
        "current",
        matrix.current,
        ("matrix_ST",),
        scorecard=OnScorecard(1, 1),
    ),
    Metric(
        Column("immediate_gain", "Immediate gain", "higher", 1),
        "points",
        "immediate-gain",
        matrix.immediate_gain,
        ("matrix_ST",),
        scorecard=OnScorecard(1, 2),
    ),
    Metric(
        Column("final_average", "Final average", "higher", 1),
        "points",
        "final-average",
        matrix.final_average,
        ("matrix_ST",),
    ),
    Metric(
        Column("forgetting", "Forgetting", "lower", 1),
        "points",
        "forgetting",
        matrix.forgetting,
        ("matrix_ST",),
        least_stages=2,
        scorecard=OnScorecard(2, 3),
    ),
    Metric(
        Column("forward_transfer", "Forward transfer", "higher", 1),
        "points",
        "forward-transfer",
        matrix.forward_transfer,
        ("matrix_ST",),
        least_stages=2,
    ),
    Metric(
        Column("future_auc", "Future AUC (neutral probe)", "higher", 3),
        "AUC",
        "future-adaptation-auc",
        adaptation.future_auc,
        ("area_T",),
        least_stages=2,
        missing=_NO_CURVE.format("neutral"),
        scorecard=OnScorecard(2, 1),
    ),
    Metric(
        Column("future_auc_own", "Future AUC (own probe)", "higher", 3),
        "AUC",
        "future-adaptation-auc",
        adaptation.future_auc,
        ("own_area_T",),
        least_stages=2,
        missing=_NO_CURVE.format("own"),
        scorecard=OnScorecard(2, 2),
    ),
    Metric(
        Column("capability_imbalance", "Imbalance", "lower", 1),
        "points",
        "capability-imbalance",
        matrix.capability_imbalance,
        ("matrix_ST",),
    ),
    Metric(
        Column("worst_task", "Worst task", "higher", 1),
        "points",
        "worst-task",
        matrix.worst_task,
        ("matrix_ST",),
        scorecard=OnScorecard(2, 4),
    ),
    Metric(
        Column("ood", "OOD", "higher", 1),
        "points",
        "ood",
        horizon.ood,
        ("ood_O",),
        missing="no OOD set was evaluated after the last stage",
        scorecard=OnScorecard(2, 5),
    ),
    Metric(
        Column("long_horizon", "Long-horizon score", "higher", 3),
        "score",
        "long-horizon-score",
        horizon.long_horizon_score,
        ("final_average", "future_auc", "forgetting", "ood", "long_horizon_weights"),
        parts=_of_long_horizon,
        scorecard=OnScorecard(2, 8),
    ),
    Metric(
        Column("u_long", "U_long", "higher", 2),
        "score",
        "u_long",
        horizon.u_long,
        ("final_T", "area_T", "forgetting_T", "ood", "u_long_weights"),
        parts=_of_u_long,
    ),
    Metric(
        Column("tokens_to_threshold", "Tokens to threshold (ratio)", "lower", 2),
        "ratio",
        "tokens-to-threshold",
        _ratio,
        (PEERS,),
        least_stages=2,
        scorecard=OnScorecard(2, 7),
    ),
)
"""The metrics, in the order of the reports."""

DIAGNOSTICS: Final = _by_key(
    Metric(
        Column("capability_entropy", "Capability entropy", "higher", 2),
        "nats",
        "capability-entropy",
        partial(_recorded, "capability_entropy"),
        ("run",),
        missing=_NOT_RECORDED,
    ),
    Metric(
        Column("mean_difficulty", "Mean difficulty", None, 2),
        "difficulty",
        "difficulty-and-quality-of-what-was-selected",
        partial(_recorded, "mean_difficulty"),
        ("run",),
        missing=_NOT_RECORDED,
    ),
    Metric(
        Column("mean_quality", "Mean quality", "higher", 2),
        "quality",
        "difficulty-and-quality-of-what-was-selected",
        partial(_recorded, "mean_quality"),
        ("run",),
        missing=_NOT_RECORDED,
    ),
    Metric(
        Column("update_concentration", "Update concentration", "lower", 2),
        "share",
        "update-concentration",
        partial(_recorded, "update_concentration"),
        ("run",),
        missing=_NOT_RECORDED,
        scorecard=OnScorecard(2, 6),
    ),
    Metric(
        Column("adapter_drift", "Adapter drift", None, 2),
        "cosine",
        "adapter-drift",
        _mean_drift,
        ("per_stage",),
        least_stages=2,
        missing=_NOT_RECORDED,
    ),
)
"""The diagnostics of selected subsets and update trajectories, in the order of the reports.

They were computed while the cell ran; a diagnostic has no items, so its replicates are constant.
"""

VARIANTS: Final[Mapping[str, Callable[[np.ndarray], np.ndarray]]] = {
    "forgetting_chaudhry": matrix.forgetting_chaudhry,
    "forgetting_gem_bwt": matrix.forgetting_gem_bwt,
    "forgetting_avalanche": matrix.forgetting_avalanche,
}
"""Forgetting as others define it, each as published."""
