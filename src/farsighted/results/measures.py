"""From item scores to the metrics of one cell, once as measured and once for every bootstrap replicate.

Nothing is computed here that `farsighted.metrics` computes: this module only hands it the right arrays. Leading axes
`...` are none for the measured values and (B,) for the replicates. Letters: S stages scored, T tasks, P points of a
probe curve, I items, B resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from farsighted.metrics import adaptation, horizon, matrix
from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.metrics.intervals import Resample, matrix_replicates, set_means
from farsighted.results.columns import VARIANTS
from farsighted.results.items import CellItems, Curve, Probe

FROM_MATRIX = (
    "current",
    "immediate_gain",
    "final_average",
    "forgetting",
    "forward_transfer",
    "capability_imbalance",
    "worst_task",
)
"""Metrics that are functions of the score matrix alone, each of that name in `farsighted.metrics.matrix`."""


@dataclass(frozen=True, slots=True)
class CurveScores:
    """A probe curve of set scores."""

    after_stage: int
    stage: str
    tokens_P: np.ndarray
    scores_P: np.ndarray
    """(..., P), 0..100."""

    @property
    def area(self) -> np.ndarray:
        """Area under the curve, (...), 0..1."""
        return adaptation.area_under_curve(self.tokens_P, self.scores_P)


@dataclass(frozen=True, slots=True)
class SetScores:
    """The mean over items of everything that a cell was evaluated on."""

    matrix_ST: np.ndarray
    """(..., T+1, T)."""
    ood: Mapping[str, np.ndarray]
    """OOD set to (...) scores of the final model."""
    probes: Mapping[Probe, tuple[CurveScores, ...]]


@dataclass(frozen=True, slots=True)
class Weights:
    """What the configuration says about sums of metrics."""

    long_horizon: HorizonWeights
    u_long: ULongWeights


@dataclass(frozen=True, slots=True)
class TokenRatio:
    """How many probe tokens a selector needs to the common threshold, relative to the reference selector."""

    ratio: np.ndarray
    """(...)."""
    tokens: np.ndarray
    """What the selector needs, summed over stages, (...)."""
    censored: int
    """Stages whose probe ended below the threshold; if any, the true ratio is higher."""
    reference_censored: int
    """The same of the reference selector; if any, the true ratio is lower."""
    stages: int


def measured(items: CellItems) -> SetScores:
    """Return the set scores as measured."""
    return SetScores(
        matrix_ST=np.stack([scores_SI.mean(axis=-1) for scores_SI in items.validation.values()], axis=-1),
        ood={name: scores_I.mean() for name, scores_I in items.ood.items()},
        probes={
            kind: tuple(_curve(curve, curve.scores_PI.mean(axis=-1)) for curve in curves)
            for kind, curves in items.probes.items()
        },
    )


def replicated(items: CellItems, draw: Resample) -> SetScores:
    """Return the set scores of every resample of items, leading axis (B,)."""

    def means(name: str, scores_xI: np.ndarray) -> np.ndarray:
        return set_means(scores_xI[None], draw.weights[name], draw.seed_index)[:, 0]

    # A set that was never evaluated has no draw; its column is NaN whatever the weights.
    names = tuple(items.validation)
    missing = {name: np.ones((len(draw.seed_index), 1)) for name in names if name not in draw.weights}
    whole = Resample(draw.seed_index, {**draw.weights, **missing})
    columns = [scores_SI[None] for scores_SI in items.validation.values()]
    return SetScores(
        matrix_ST=matrix_replicates(columns, names, whole)[:, 0],
        ood={name: means(name, scores_I) for name, scores_I in items.ood.items()},
        probes={
            kind: tuple(_curve(curve, means(f"probe_{kind}/{curve.stage}", curve.scores_PI)) for curve in curves)
            for kind, curves in items.probes.items()
        },
    )


def metrics(scores: SetScores, weights: Weights) -> dict[str, np.ndarray]:
    """Return every metric that one cell has by itself, (...) each; NaN where something it needs is missing."""
    stages = scores.matrix_ST.shape[-1]
    values = {key: np.asarray(getattr(matrix, key)(scores.matrix_ST)) for key in FROM_MATRIX}
    area_T = {kind: _areas(curves, stages, scores.matrix_ST.shape[:-2]) for kind, curves in scores.probes.items()}
    values["future_auc"] = _mean(area_T["neutral"])
    values["future_auc_own"] = _mean(area_T["own"])
    sets = [np.asarray(score) for score in scores.ood.values()]
    values["ood"] = np.mean(sets, axis=0) if sets else np.full(scores.matrix_ST.shape[:-2], np.nan)
    values["long_horizon"] = horizon.long_horizon_score(
        values["final_average"], values["future_auc"], values["forgetting"], values["ood"], weights.long_horizon
    )
    values["u_long"] = horizon.u_long(
        scores.matrix_ST[..., -1, :],
        area_T["neutral"],
        matrix.forgetting_per_stage(scores.matrix_ST),
        values["ood"],
        weights.u_long,
    )
    return values


def variants(scores: SetScores) -> dict[str, np.ndarray]:
    """Return forgetting as others define it."""
    return {key: np.asarray(getattr(matrix, key)(scores.matrix_ST)) for key in VARIANTS}


def token_ratios(curves: Mapping[str, tuple[CurveScores, ...]], reference: str) -> dict[str, TokenRatio]:
    """Return the tokens to the common threshold of each selector, relative to the reference selector.

    `curves` holds the neutral probe's curves of the selectors of one seed, the reference among them, all of the same
    stages. The threshold of a stage is common to them. Tokens are summed over stages before the ratio is taken.
    """
    thresholds = [
        adaptation.common_threshold([c.scores_P for c in stage]) for stage in zip(*curves.values(), strict=True)
    ]
    crossings = {}
    for name, own in curves.items():
        met = [
            adaptation.tokens_to_threshold(curve.tokens_P, curve.scores_P, threshold)
            for curve, threshold in zip(own, thresholds, strict=True)
        ]
        tokens, censored = (np.stack(part, axis=-1) for part in zip(*met, strict=True))
        crossings[name] = adaptation.Crossing(tokens, censored)
    return {
        name: TokenRatio(
            adaptation.threshold_ratio(crossing, crossings[reference]).ratio,
            crossing.tokens.sum(axis=-1),
            int(crossing.censored.sum(axis=-1).flat[0]),
            int(crossings[reference].censored.sum(axis=-1).flat[0]),
            len(thresholds),
        )
        for name, crossing in crossings.items()
    }


def _curve(curve: Curve, scores_P: np.ndarray) -> CurveScores:
    return CurveScores(curve.after_stage, curve.stage, curve.tokens_P, scores_P)


def _areas(curves: tuple[CurveScores, ...], stages: int, leading: tuple[int, ...]) -> np.ndarray:
    """Areas of stages 1..T-1, (..., T-1); NaN for a stage without a probe."""
    area_T = np.full((*leading, stages - 1), np.nan)
    for curve in curves:
        area_T[..., curve.after_stage - 1] = curve.area
    return area_T


def _mean(area_T: np.ndarray) -> np.ndarray:
    return np.asarray(area_T.mean(axis=-1)) if area_T.shape[-1] else np.full(area_T.shape[:-1], np.nan)
