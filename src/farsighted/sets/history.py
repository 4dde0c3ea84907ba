"""The history H_t of a run in bounded memory: centroids, cluster counts, gradient directions.

Shape letters: N candidates, M picked, H centroids, D hidden, C clusters, K sketch, R directions kept.
"""

from typing import Final, NamedTuple

import numpy as np

from farsighted.sets.geometry import squared_norms

_SAME: Final = 1e-6
"""Relative length below which a difference of two float32 vectors is rounding."""

KEPT_PER_READ: Final = 2
"""Directions tracked for each one that is read, since what truncation drops is lost."""


class Centroids(NamedTuple):
    """Online k-means of everything that was selected."""

    mean: np.ndarray
    """(H, D) float64."""
    picks: np.ndarray
    """(H,) picks that each centroid stands for."""


class Directions(NamedTuple):
    """The strongest directions of the sum of g g', g the gradient sketches of everything that was selected."""

    value: np.ndarray
    """(R,) singular values, descending: square roots of the eigenvalues of the sum."""
    basis: np.ndarray
    """(R, K) float64, orthonormal rows."""


class Turn(NamedTuple):
    """How the directions change when one gradient is added."""

    value: np.ndarray
    """(R',) new singular values."""
    rotation: np.ndarray
    """(R', R + 1): new basis = rotation @ [old basis; the part of the gradient outside it, at unit length]."""


def with_points(centroids: Centroids, points_MD: np.ndarray, limit: int) -> Centroids:
    """Return the centroids after M picks, one by one, in order.

    While there are fewer than `limit`, a pick opens a centroid of its own, unless it lies on one already (distance
    below 1e-6 of its length). Otherwise its nearest centroid moves towards it by 1/count, so that the centroid is
    the mean of its picks.
    """
    room = min(limit, len(centroids.mean) + len(points_MD))
    mean_HD, count_H = np.zeros((room, points_MD.shape[1])), np.zeros(room, dtype=np.int64)
    used = len(centroids.mean)
    if used:
        mean_HD[:used], count_H[:used] = centroids.mean, centroids.picks
    norm_H = squared_norms(mean_HD)
    for point_D in np.asarray(points_MD, dtype=np.float64):
        norm = float(point_D @ point_D)
        away_H = norm_H[:used] - 2.0 * (mean_HD[:used] @ point_D)
        nearest = int(np.argmin(away_H)) if used else -1
        if used < limit and (nearest < 0 or np.linalg.norm(mean_HD[nearest] - point_D) > _SAME * np.sqrt(norm)):
            nearest, used = used, used + 1
        count_H[nearest] += 1
        mean_HD[nearest] += (point_D - mean_HD[nearest]) / count_H[nearest]
        norm_H[nearest] = mean_HD[nearest] @ mean_HD[nearest]
    return Centroids(mean_HD[:used], count_H[:used])


def with_gradients(directions: Directions, sketch_MK: np.ndarray, limit: int) -> Directions:
    """Return the directions after M gradients, one by one, in order, so that it does not matter how they are grouped.

    A truncated incremental singular value decomposition: each gradient is split into its part inside the span of the
    basis and the rest, the small (R + 1) x (R + 1) core is decomposed, and the `limit` strongest directions are kept.
    Exact while the gradients span at most `limit` dimensions; beyond that what is dropped is lost, so keep more
    directions than are read (LHAS keeps twice as many).
    *Reference:* Brand 2002, incremental singular value decomposition.
    """
    value_R, basis_RK = directions
    if not len(value_R):
        basis_RK = np.empty((0, sketch_MK.shape[1]))
    for sketch_K in np.asarray(sketch_MK, dtype=np.float64):
        inside_R = basis_RK @ sketch_K
        outside_K = sketch_K - inside_R @ basis_RK
        outside_K -= (basis_RK @ outside_K) @ basis_RK  # A second pass, as one leaves rounding inside the span.
        length = float(np.linalg.norm(outside_K))
        value_R, rotation = turned(value_R, inside_R, length, limit)
        unit_K = outside_K / length if length > 0 else outside_K
        basis_RK = rotation @ np.vstack([basis_RK, unit_K])
    return Directions(value_R, basis_RK)


def turned(value_R: np.ndarray, inside_R: np.ndarray, outside: float, limit: int) -> Turn:
    """Return how a gradient with coordinates `inside_R` in the basis and length `outside` beyond it changes it."""
    size = len(value_R)
    if outside <= _SAME * np.sqrt(outside**2 + inside_R @ inside_R):
        outside = 0.0
    core = np.zeros((size + 1, size + 1))
    core[np.arange(size), np.arange(size)] = value_R
    core[size, :size], core[size, size] = inside_R, outside
    _, value, rotation = np.linalg.svd(core)
    kept = min(limit, int(np.count_nonzero(value > _SAME * value[0])))
    return Turn(value[:kept], rotation[:kept])


def overshare(count_C: np.ndarray) -> np.ndarray:
    """Return how far each cluster's share exceeds the uniform one, (C,) in [0, 1].

    clip((share - 1/C) / (1 - 1/C), 0, 1): 0 up to a uniform share, 1 for everything in one cluster, linear between;
    0 for all while nothing is selected, and where there is one cluster only.

    >>> overshare(np.array([3, 1, 0, 0])).round(6).tolist()
    [0.666667, 0.0, 0.0, 0.0]
    """
    total, clusters = count_C.sum(), len(count_C)
    if total == 0 or clusters < 2:
        return np.zeros(clusters)
    uniform = 1.0 / clusters
    excess_C: np.ndarray = (count_C / total - uniform) / (1.0 - uniform)
    return excess_C.clip(0.0, 1.0)


def widened(count_C: np.ndarray, clusters: int) -> np.ndarray:
    """Return a copy of the counts with zeros for clusters that were not known when they were made."""
    wide_C = np.zeros(max(clusters, len(count_C)), dtype=np.int64)
    wide_C[: len(count_C)] = count_C
    return wide_C
