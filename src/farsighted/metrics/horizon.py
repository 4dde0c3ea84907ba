"""The long horizon in one number, and the distance between rankings now and later.

*Reference:* definitions.md#myopia-gap.
"""

import math
from dataclasses import astuple, dataclass

import numpy as np

from farsighted.core.errors import ConfigError


def are_weights(*values: float) -> bool:
    """Tell whether numbers can weigh a mean: all finite, none negative, not all 0.

    >>> are_weights(1, 0), are_weights(0, 0), are_weights(2, -1)
    (True, False, False)
    """
    return all(math.isfinite(value) and value >= 0 for value in values) and any(values)


@dataclass(frozen=True, slots=True)
class HorizonWeights:
    """Weights of the four parts of the long-horizon score: finite, not negative, not all 0."""

    final_average: float = 1.0
    future_auc: float = 1.0
    forgetting: float = 1.0
    ood: float = 1.0

    def __post_init__(self) -> None:
        values = astuple(self)
        if not are_weights(*values):
            raise ConfigError(
                "The weights in `long_horizon` must be finite, not negative and not all 0, but are "
                f"{', '.join(f'{value:g}' for value in values)}. Give each part a weight, or 0 to leave it out."
            )


@dataclass(frozen=True, slots=True)
class ULongWeights:
    """The factors of Eq. 2."""

    alpha: float = 1.0
    """Of the future-adaptation areas."""
    beta: float = 1.0
    """Of forgetting, which is subtracted."""
    gamma: float = 1.0
    """Of the score on shifted sets."""


@dataclass(frozen=True, slots=True)
class MyopiaGap:
    """Disagreement of two rankings of K selectors, averaged over seeds; rank 1 is best. Leading axes are kept."""

    family: np.ndarray
    """Eq. 3, the mean of the contributions: (...), 0..1; NaN for fewer than two selectors."""
    contribution_K: np.ndarray
    """|rank_long - rank_immediate| / (K - 1): (..., K), 0..1."""
    signed_K: np.ndarray
    """(rank_long - rank_immediate) / (K - 1): (..., K), -1..1; positive = the rank falls later; sums to 0."""
    rank_immediate_K: np.ndarray
    """Mean rank by immediate gain: (..., K), 1..K."""
    rank_long_K: np.ndarray
    """Mean rank by long-horizon score: (..., K), 1..K."""


def ood(score_O: np.ndarray) -> np.ndarray:
    """Return the mean score of the final model over the shifted sets, (O, ...) to (...) points; NaN without a set.

    Each set counts the same, however many items it has.

    >>> float(ood(np.array([30.0, 80.0])))
    55.0
    """
    score = np.asarray(score_O)
    return np.asarray(score.mean(axis=0)) if len(score) else np.full(score.shape[1:], np.nan)


def long_horizon_score(
    final_average: np.ndarray | float,
    future_auc: np.ndarray | float,
    forgetting: np.ndarray | float,
    ood: np.ndarray | float,
    weights: HorizonWeights,
) -> np.ndarray:
    """Return the weighted mean of final average/100, future AUC, 1 - forgetting/100 and OOD/100.

    0..1 where all scores are in 0..100. The arguments broadcast, so replicates go through at once. A part of weight 0
    is left out, missing or not; any other missing part makes the score NaN.

    *Differs from the paper:* its Table 3 names these four parts but gives no formula; this one is ours.
    *Reference:* definitions.md#long-horizon-score.

    >>> float(long_horizon_score(60.0, 0.5, 10.0, 40.0, HorizonWeights()))
    0.6
    """
    parts = (
        (weights.final_average, np.asarray(final_average) / 100),
        (weights.future_auc, np.asarray(future_auc)),
        (weights.forgetting, 1 - np.asarray(forgetting) / 100),
        (weights.ood, np.asarray(ood) / 100),
    )
    return np.asarray(_weighted_sum(parts) / sum(astuple(weights)))


def u_long(
    final_row_T: np.ndarray,
    auc_values: np.ndarray,
    forgetting_T: np.ndarray,
    ood: np.ndarray | float,
    weights: ULongWeights,
) -> np.ndarray:
    """Return U_long = sum_t R[T][t] + alpha sum_t AUC(t -> t+1) - beta sum_t F_t + gamma OOD, on scores/100.

    `final_row_T` and `forgetting_T` (..., T) in points, `auc_values` (..., T-1) in 0..1, `ood` (...) in points.
    At most T + alpha (T-1) + gamma. A sum of factor 0 is left out, missing or not; otherwise NaN propagates.

    *Reference:* definitions.md#u_long;
    paper, Eq. 2, whose scale of scores is not stated; scores/100 makes its four sums comparable.
    """
    parts = (
        (1.0, np.asarray(final_row_T).sum(axis=-1) / 100),
        (weights.alpha, np.asarray(auc_values).sum(axis=-1)),
        (-weights.beta, np.asarray(forgetting_T).sum(axis=-1) / 100),
        (weights.gamma, np.asarray(ood) / 100),
    )
    return _weighted_sum(parts)


def myopia_gap(immediate_KZ: np.ndarray, long_KZ: np.ndarray) -> MyopiaGap:
    """Return how far the ranking by immediate gain lies from the ranking by long-horizon score.

    Gap = 1/(K-1) E_pi |rank_imm(pi) - rank_long(pi)|, for each of the Z seeds, then averaged over seeds. Larger scores
    rank first; ties share their mean rank. Inputs (..., K, Z). One NaN leaves the ranks of its seed undefined and so
    the result NaN: hand in only selectors and seeds that are complete, and the same for all.

    *Reference:* paper, Eq. 3. Its per-selector Gap column (Table 1) does not follow from Eq. 3: ranking the means of
    its own Current column against the 25 % column of Table 3 gives .50, .50, 1.0, .50, 0, 0, .50 in place of .12, .42,
    .47, .16, .36, .28, .10. That column is never a target. Eq. 3 alone also cannot tell a selector that falls from one
    that rises, hence `signed_K`, which describes ranks and is no verdict.

    Raises:
        ValueError: if the two arrays differ in shape or have no selector or no seed.
    """
    immediate, long = np.asarray(immediate_KZ, dtype=np.float64), np.asarray(long_KZ, dtype=np.float64)
    if immediate.shape != long.shape or immediate.ndim < 2 or 0 in immediate.shape[-2:]:
        raise ValueError(
            "The two scores must have the same shape (..., selectors, seeds) with at least one of each, but have "
            f"{immediate.shape} and {long.shape}."
        )
    rank_immediate, rank_long = _ranks(immediate), _ranks(long)
    count = immediate.shape[-2]
    change = (rank_long - rank_immediate) / (count - 1) if count > 1 else np.full(immediate.shape, np.nan)
    contribution = np.abs(change).mean(axis=-1)
    return MyopiaGap(
        family=np.asarray(contribution.mean(axis=-1)),
        contribution_K=contribution,
        signed_K=change.mean(axis=-1),
        rank_immediate_K=rank_immediate.mean(axis=-1),
        rank_long_K=rank_long.mean(axis=-1),
    )


def _weighted_sum(parts: tuple[tuple[float, np.ndarray], ...]) -> np.ndarray:
    """Sum of weight times part over the parts that count; skipping weight 0 keeps 0 * NaN out of the sum."""
    return np.asarray(sum(weight * part for weight, part in parts if weight != 0))


def _ranks(score_KZ: np.ndarray) -> np.ndarray:
    """Ranks along the selectors, 1 = largest, mean ranks on ties; a seed with a NaN has NaN ranks throughout."""
    # scipy.stats takes longer to import than the rest of the package; workers never rank.
    from scipy import stats

    return np.asarray(stats.rankdata(-score_KZ, method="average", axis=-2, nan_policy="propagate"))
