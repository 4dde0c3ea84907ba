"""The place of pools on the map, measured: alignment, redundancy and noise of any audit's pools, from signals.

All are pure functions of arrays, the same for the quadratic world and for a language model. Shape letters: N examples
of a pool, D width of an embedding, C clusters.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from farsighted.core.errors import DataError
from farsighted.core.rng import MAP_SAMPLE, stream
from farsighted.sets.clusters import unit_rows

SAMPLE: Final = 640
"""Largest number of examples among which neighbours are sought: they are nearer in a larger pool."""
_NEIGHBOUR: Final = 5
"""Which neighbour's distance counts; the fifth is steadier than the first."""


@dataclass(frozen=True, slots=True)
class PoolSignals:
    """What is known of one stage's pool before any training."""

    embedding_ND: np.ndarray
    cluster_N: np.ndarray
    """Cluster numbers, the same clusters in all pools."""
    quality_N: np.ndarray | None
    """0..1; None where nothing but rule filters vouches for it."""
    nll_N: np.ndarray | None
    """Of the base model; None where it was not kept."""


@dataclass(frozen=True, slots=True)
class PoolCoordinates:
    """The pools of an audit in the order of its stages; NaN = unknown."""

    alignment: float
    """0..1, see `mixture_overlap`; mean over neighbouring stages. NaN for a single stage."""
    embedding_alignment: float
    """0..1, see `mean_closeness`; mean over neighbouring stages. NaN for a single stage."""
    redundancy: float
    """0..1, see `redundancy`; mean over stages."""
    noise: float
    """0..1, see `noise_share`; over all stages. NaN without quality or NLL."""
    width: int
    """D."""


def measure_pools(pools: Sequence[PoolSignals]) -> PoolCoordinates:
    """Return the place of pools on the map.

    Raises:
        DataError: no pools, an empty one, or embeddings of different widths.
    """
    widths = {pool.embedding_ND.shape[1] for pool in pools}
    if len(widths) != 1:
        raise DataError(f"The pools of an audit must have embeddings of one width, but have {sorted(widths)}.")
    pairs = list(itertools.pairwise(pools))
    overlaps = [mixture_overlap(a.cluster_N, b.cluster_N) for a, b in pairs]
    closeness = [mean_closeness(a.embedding_ND, b.embedding_ND) for a, b in pairs]
    return PoolCoordinates(
        alignment=float(np.mean(overlaps)) if overlaps else math.nan,
        embedding_alignment=float(np.mean(closeness)) if closeness else math.nan,
        redundancy=float(np.mean([redundancy(pool.embedding_ND) for pool in pools])),
        noise=_noise(pools),
        width=widths.pop(),
    )


def mixture_overlap(cluster_N: np.ndarray, other_N: np.ndarray) -> float:
    """Return the overlap of two pools' mixtures of clusters, sum over c of min(p_c, q_c): 0 = disjoint, 1 = equal.

    In the quadratic world it is the parameter `alignment` itself, but for sampling.

    >>> mixture_overlap(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 2]))
    0.5
    """
    count = 1 + int(max(cluster_N.max(), other_N.max()))
    share_C, other_C = (np.bincount(labels, minlength=count) / len(labels) for labels in (cluster_N, other_N))
    return float(np.minimum(share_C, other_C).sum())


def mean_closeness(embedding_ND: np.ndarray, other_ND: np.ndarray) -> float:
    """Return 1 minus the share of the spread between two pools that is due to their means: 1 = the same mean.

    g / (v + w + g), g the squared distance of the means less what sampling adds to it, v and w the pools' variances.
    A direction that all embeddings of a model have in common does not change it.
    """
    first_ND, second_ND = unit_rows(embedding_ND).astype(np.float64), unit_rows(other_ND).astype(np.float64)
    spreads = [float(part_ND.var(axis=0).sum()) for part_ND in (first_ND, second_ND)]
    sampling = sum(spread / len(part_ND) for spread, part_ND in zip(spreads, (first_ND, second_ND), strict=True))
    gap = max(float(((first_ND.mean(axis=0) - second_ND.mean(axis=0)) ** 2).sum()) - sampling, 0.0)
    total = sum(spreads) + gap
    return 1.0 - gap / total if total > 0 else 1.0


def redundancy(embedding_ND: np.ndarray) -> float:
    """Return 1 minus the mean distance to the fifth nearest neighbour over the median distance of two examples.

    Distances are those of unit vectors. What is typical of the pool is in the denominator, so that embeddings that are
    all alike do not pass for repeats. Of a pool beyond 640 examples (`SAMPLE`) a fixed random sample counts; a pool of
    less than a hundred looks emptier than it is. 0..1, NaN below three examples; 1 where all examples are equal.
    """
    unit_ND = unit_rows(embedding_ND).astype(np.float64)
    if len(unit_ND) > SAMPLE:
        rows = stream(0, "eval", MAP_SAMPLE).choice(len(unit_ND), SAMPLE, replace=False)
        unit_ND = unit_ND[np.sort(rows)]
    if len(unit_ND) < 3:
        return math.nan
    distance_NN = np.sqrt(np.maximum(2 - 2 * unit_ND @ unit_ND.T, 0))
    typical = float(np.median(distance_NN[~np.eye(len(unit_ND), dtype=bool)]))
    if typical <= 0:
        return 1.0
    np.fill_diagonal(distance_NN, np.inf)
    neighbour = min(_NEIGHBOUR, len(unit_ND) - 1) - 1
    near_N = np.partition(distance_NN, neighbour, axis=1)[:, neighbour]
    return float(np.clip(1 - near_N.mean() / typical, 0, 1))


def noise_share(quality_N: np.ndarray, nll_N: np.ndarray, group_N: np.ndarray) -> float:
    """Return the share of the base model's mean NLL that goes with low quality, 0..1; NaN where quality is constant.

    The slope of NLL on (1 - quality)^2 within groups (stage and cluster), times the mean of (1 - quality)^2, over the
    mean NLL. In the quadratic world an error of standard deviation noise x (1 - quality) adds its half square to it.
    """
    excess_N = (1 - quality_N.astype(np.float64)) ** 2
    centred_N, rest_N = _centred(excess_N, group_N), _centred(nll_N.astype(np.float64), group_N)
    spread, level = float(centred_N @ centred_N), float(nll_N.mean())
    if spread <= 1e-12 * len(excess_N) or level <= 0:
        return math.nan
    slope = float(centred_N @ rest_N) / spread
    return float(np.clip(slope * excess_N.mean() / level, 0, 1))


def rank_share(rank: int, width: int) -> float:
    """Return the rank of an adapter over the width of the model, at most 1; full training has 1."""
    return min(rank / width, 1.0)


def _noise(pools: Sequence[PoolSignals]) -> float:
    quality, nll, groups = [], [], []
    for number, pool in enumerate(pools):
        if pool.quality_N is None or pool.nll_N is None:
            return math.nan
        quality.append(pool.quality_N)
        nll.append(pool.nll_N)
        groups.append(number * (1 + max(int(one.cluster_N.max()) for one in pools)) + pool.cluster_N)
    return noise_share(np.concatenate(quality), np.concatenate(nll), np.concatenate(groups))


def _centred(values_N: np.ndarray, group_N: np.ndarray) -> np.ndarray:
    _, place_N, sizes = np.unique(group_N, return_inverse=True, return_counts=True)
    centred_N: np.ndarray = values_N - (np.bincount(place_N, weights=values_N) / sizes)[place_N]
    return centred_N
