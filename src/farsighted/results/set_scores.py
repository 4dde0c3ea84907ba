"""From item scores to set means, as measured and for every bootstrap replicate (definitions.md#scores).

Leading axes `...` are none for the measured values and (B,) for the replicates. Letters: S stages scored, T tasks,
P points of a probe curve, O shifted sets, I items, B resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from farsighted.metrics import adaptation
from farsighted.metrics.intervals import Resample, matrix_replicates, set_means
from farsighted.results.items import CellItems, Curve, Probe


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

    @property
    def shifted(self) -> np.ndarray:
        """Scores of the final model on the shifted sets, (O, ...)."""
        sets = [np.asarray(score) for score in self.ood.values()]
        return np.stack(sets) if sets else np.empty((0, *self.matrix_ST.shape[:-2]))

    def areas(self, kind: Probe) -> np.ndarray:
        """Return the areas under a probe's curves after stages 1..T-1, (..., T-1); NaN for a stage without a probe."""
        area_T = np.full((*self.matrix_ST.shape[:-2], self.matrix_ST.shape[-1] - 1), np.nan)
        for curve in self.probes[kind]:
            area_T[..., curve.after_stage - 1] = curve.area
        return area_T


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


def _curve(curve: Curve, scores_P: np.ndarray) -> CurveScores:
    return CurveScores(curve.after_stage, curve.stage, curve.tokens_P, scores_P)
