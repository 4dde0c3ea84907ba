"""Several comparisons at once: p-values and levels corrected for how many there are.

Shape letter: M comparisons.

*Reference:* definitions.md#correction.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from farsighted.core.verdicts import Correction

TAIL: Final = 10
"""Resamples that must lie beyond each end of the widest interval: fewer, and chance would choose its ends."""
_ROUNDING: Final = 1e-12
"""Relative: a p-value on a level is not above it because of the last bit."""


class Corrected(NamedTuple):
    """What a correction makes of M comparisons."""

    p_M: np.ndarray
    """Corrected p-values, at most 1: a comparison is decided where its own is at most alpha."""
    near_M: np.ndarray
    """Two-sided levels of the ends of the intervals that face 0: they decide the sign."""
    far_M: np.ndarray
    """Two-sided levels of the other ends: they decide, with the near ones, what is small."""


def correct(p_M: np.ndarray, alpha: float, method: Correction) -> Corrected:
    """Return the corrected p-values of M comparisons, and the levels at which their intervals say the same.

    An interval whose near end is taken at its level excludes 0 where the corrected p-value is at most `alpha`, and
    nowhere else.

    >>> correct(np.array([0.01, 0.04, 0.03]), 0.05, "holm").p_M.round(3).tolist()
    [0.03, 0.06, 0.06]
    >>> correct(np.array([0.01, 0.04, 0.03]), 0.05, "benjamini-hochberg").p_M.round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p_M = np.asarray(p_M, dtype=np.float64)
    if method == "holm":
        return _holm(p_M, alpha)
    if method == "benjamini-hochberg":
        return _benjamini_hochberg(p_M, alpha)
    return Corrected(p_M, np.full(p_M.shape, alpha), np.full(p_M.shape, alpha))


def resamples_needed(comparisons: int, alpha: float) -> int:
    """Return how many resamples the smallest corrected level of so many comparisons needs, at least those of one.

    >>> resamples_needed(12, 0.05)
    4800
    """
    return math.ceil(2 * TAIL * max(comparisons, 1) / alpha * (1 - _ROUNDING))


def _holm(p_M: np.ndarray, alpha: float) -> Corrected:
    """Step down: the smallest p-value is compared with alpha/M, the next with alpha/(M - 1), until one is above.

    Equal p-values share the strictest of their levels, so that the order of the comparisons does not matter. The far
    end stays at alpha/M: step-down levels control wrong signs, and would let more than alpha of all families call some
    difference small that is not.

    *Reference:* Holm 1979.
    """
    order = np.argsort(p_M, kind="stable")
    ascending_M = p_M[order]
    first_M = np.searchsorted(ascending_M, ascending_M, side="left")
    left_M = len(p_M) - first_M
    corrected_M = np.minimum(np.maximum.accumulate(left_M * ascending_M), 1.0)
    decided_M = corrected_M <= alpha * (1 + _ROUNDING)
    simultaneous_M = np.full(p_M.shape, alpha / max(len(p_M), 1))
    near_M = np.where(decided_M, alpha / left_M, simultaneous_M)
    return Corrected(_back(corrected_M, order), _back(near_M, order), simultaneous_M)


def _benjamini_hochberg(p_M: np.ndarray, alpha: float) -> Corrected:
    """Step up; with R comparisons decided, every interval has the level R alpha/M, of one where none is.

    *Reference:* Benjamini & Hochberg 1995; for the intervals Benjamini & Yekutieli 2005.
    """
    count = len(p_M)
    order = np.argsort(p_M, kind="stable")
    scaled_M = p_M[order] * count / np.arange(1, count + 1)
    corrected_M = np.minimum(np.minimum.accumulate(scaled_M[::-1])[::-1], 1.0)
    decided = int((corrected_M <= alpha * (1 + _ROUNDING)).sum())
    level_M = np.full(p_M.shape, max(decided, 1) * alpha / max(count, 1))
    return Corrected(_back(corrected_M, order), level_M, level_M)


def _back(values_M: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Put sorted values where they came from."""
    found_M = np.empty_like(values_M)
    found_M[order] = values_M
    return found_M
