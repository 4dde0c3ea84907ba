"""How fast the next stage is learned: area under a probe curve and tokens to a threshold.

A probe curve has P points: `tokens_P` response tokens trained so far, rising from 0, and `scores_P` in 0..100 of the
next stage's validation set. Leading axes (seeds, bootstrap replicates) broadcast between the two.

*Reference:* definitions.md#tokens-to-threshold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Crossing(NamedTuple):
    """Where a probe curve first meets a threshold; both arrays have the curve's leading axes."""

    tokens: np.ndarray
    """Response tokens needed; where censored, the tokens of the whole probe: a lower bound of what is needed."""
    censored: np.ndarray
    """True where the probe ended below the threshold everywhere."""


class ThresholdRatio(NamedTuple):
    """Tokens to the threshold relative to a reference selector; the leading axes of the crossings without stages.

    With neither flag the ratio is measured; with `censored` alone the truth is at least the ratio ("> 1.3"); with
    `reference_censored` alone at most the ratio ("< 0.8"); with both, the ratio compares two lower bounds and orders
    nothing. A report must show the flags beside the number.
    """

    ratio: np.ndarray
    """Above 1: slower than the reference. NaN where the reference needs no tokens at all, or a curve is missing."""
    censored: np.ndarray
    """True where the selector missed the threshold in at least one stage."""
    reference_censored: np.ndarray
    """True where the reference missed the threshold in at least one stage."""


def area_under_curve(tokens_P: np.ndarray, scores_P: np.ndarray) -> np.ndarray:
    """Return the trapezoid area under a probe curve, divided by (100 * tokens of the probe); shape (...).

    0..1 for scores in 0..100 (below 0 where scores are): the mean score over the probe, so a curve that starts high
    and one that rises early both count. NaN where a score is NaN, or where the probe has no point but the one at 0.

    *Reference:* definitions.md#future-adaptation-auc; the paper names the area without a formula (§5).

    Raises:
        ValueError: if the tokens do not start at 0 or do not rise from point to point.

    >>> float(area_under_curve(np.array([0.0, 10.0, 20.0]), np.array([0.0, 50.0, 100.0])))
    0.5
    """
    tokens, scores = _checked(tokens_P, scores_P)
    if tokens.shape[-1] == 1:
        return np.full(scores.shape[:-1], np.nan)
    area = (np.diff(tokens) * (scores[..., 1:] + scores[..., :-1]) / 2).sum(axis=-1)
    return np.asarray(area / (100 * tokens[..., -1]))


def future_auc(area_T: np.ndarray) -> np.ndarray:
    """Return the mean over stages of the areas under the next stage's curves: (..., T-1) in 0..1 to (...).

    NaN where an area is missing, and for a single stage, which nothing follows.

    >>> float(future_auc(np.array([0.25, 0.75])))
    0.5
    """
    area = np.asarray(area_T)
    return np.asarray(area.mean(axis=-1)) if area.shape[-1] else np.full(area.shape[:-1], np.nan)


def common_threshold(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Return the score half-way between the lowest start and the best end of several selectors' curves; shape (...).

    `curves` holds the scores (..., P) of one probe per selector, for one seed and one stage; P may differ. A
    selector whose probe is missing must be left out: NaN in any start or end gives NaN. Where no selector improves,
    the threshold may lie below all starts; every crossing is then at 0 tokens.

    *Reference:* definitions.md#tokens-to-threshold.

    Raises:
        ValueError: if there is no curve.
    """
    if not curves:
        raise ValueError("A common threshold needs the curve of at least one selector, but there is none.")
    starts = np.stack([np.asarray(curve, dtype=np.float64)[..., 0] for curve in curves])
    ends = np.stack([np.asarray(curve, dtype=np.float64)[..., -1] for curve in curves])
    return np.asarray((starts.min(axis=0) + ends.max(axis=0)) / 2)


def tokens_to_threshold(tokens_P: np.ndarray, scores_P: np.ndarray, threshold: np.ndarray | float) -> Crossing:
    """Return the response tokens at which a probe curve first reaches `threshold`, linear between its points.

    A curve that starts at or above the threshold needs 0 tokens. A curve that never reaches it is censored, not
    dropped: its tokens are those of the whole probe. NaN (and not censored) where a score or the threshold is NaN.

    *Reference:* definitions.md#tokens-to-threshold; paper §6 reports about 1.35 for gradient relative to LHAS.

    Raises:
        ValueError: if the tokens do not start at 0 or do not rise from point to point.

    >>> tokens_to_threshold(np.array([0.0, 10.0]), np.array([20.0, 60.0]), 50.0)
    Crossing(tokens=array(7.5), censored=array(False))
    """
    tokens, scores = _checked(tokens_P, scores_P)
    goal = np.asarray(threshold, dtype=np.float64)[..., None]
    tokens, scores, goal = np.broadcast_arrays(tokens, scores, goal)
    reached = scores >= goal
    after = reached.argmax(axis=-1)[..., None]
    before = np.maximum(after - 1, 0)
    x0, x1 = np.take_along_axis(tokens, before, -1), np.take_along_axis(tokens, after, -1)
    y0, y1 = np.take_along_axis(scores, before, -1), np.take_along_axis(scores, after, -1)
    rise = np.where(y1 > y0, y1 - y0, 1.0)  # equal only where the first point is there already, and then x0 == x1
    crossing = (x0 + (x1 - x0) * (goal[..., :1] - y0) / rise)[..., 0]
    missing = np.isnan(scores).any(axis=-1) | np.isnan(goal[..., 0])
    censored = ~reached.any(axis=-1) & ~missing
    needed = np.where(censored, tokens[..., -1], crossing)
    return Crossing(np.where(missing, np.nan, needed), np.asarray(censored))


def threshold_ratio(selector: Crossing, reference: Crossing) -> ThresholdRatio:
    """Return the tokens that a selector needs, summed over stages, relative to those of the reference selector.

    Both crossings have stages as their last axis, (..., T-1). The ratio of sums equals the ratio of means and lets
    long stages weigh more; a mean of ratios would be undefined as soon as the reference starts one stage above the
    threshold. NaN where the reference needs 0 tokens over all stages.
    """
    wanted, spent = np.asarray(selector.tokens).sum(axis=-1), np.asarray(reference.tokens).sum(axis=-1)
    ratio = wanted / np.where(spent == 0, np.nan, spent)
    return ThresholdRatio(
        np.asarray(ratio),
        np.asarray(selector.censored.any(axis=-1)),
        np.asarray(reference.censored.any(axis=-1)),
    )


def _checked(tokens_P: np.ndarray, scores_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tokens, scores = np.asarray(tokens_P, dtype=np.float64), np.asarray(scores_P, dtype=np.float64)
    if tokens.shape[-1:] != scores.shape[-1:] or tokens.shape[-1:] in {(), (0,)}:
        raise ValueError(
            f"A probe curve must have as many scores as token counts, at least one, but the shapes are {scores.shape} "
            f"and {tokens.shape}."
        )
    if not (np.all(tokens[..., 0] == 0) and np.all(np.diff(tokens) > 0)):
        raise ValueError(
            "The tokens of a probe curve must start at 0 and rise from point to point, but are "
            f"{tokens.tolist()}. Put the evaluation before the first step at 0."
        )
    return tokens, scores
