"""Set functions that several selectors share.

Shape letters: N candidates, H history, D hidden.
"""

from typing import Final, NamedTuple

import numpy as np

from farsighted.sets.farthest import ArrayPoints, distinct_order
from farsighted.sets.geometry import first_rows, nearest_squared_distance, squared_distances_to, squared_norms

_MANY: Final = 2048
"""Points from which on the lazy traversal is faster."""


class Traversal(NamedTuple):
    """Every candidate in greedy order."""

    order: np.ndarray
    """(N,) row numbers in the order of picking; fewer where fewer were wanted."""
    distance_at_pick: np.ndarray
    """(N,) by row: Euclidean distance to everything picked before, never increasing along the order; NaN for what was
    not picked."""


def farthest_first(points_ND: np.ndarray, history_HD: np.ndarray, picks: int | None = None) -> Traversal:
    """Pick again and again the point farthest from everything picked so far (k-center greedy).

    Pick argmax_i min_{j in history or picked} ||x_i - x_j||, ties to the smaller row. With an empty history the first
    pick is the point farthest from the points' mean; nothing lies before it, so it shares the second pick's distance
    (0 if it is alone). Points that lie on a centre come last, by row. A few points go through a running minimum, O(N D)
    a pick; many through `LazyTraversal`, with the same order and, up to 1e-12 of the squared lengths, distances. Its
    memory beyond the points: a float32 copy where they are wider, 12 bytes a number of history and picks, and less than
    300 MiB.

    Args:
        points_ND: The candidates.
        history_HD: Everything selected earlier; any array without elements where there is nothing.
        picks: How many are wanted; all by default. The first of more are the same.

    Returns:
        The traversal; `order` has as many rows as were wanted.

    *Reference:* Gonzalez 1985; Sener & Savarese 2018, Algorithm 1.

    >>> farthest_first(np.array([[0.0], [1.0], [5.0]]), np.array([[0.0]])).order.tolist()
    [2, 1, 0]
    """
    count = len(points_ND)
    wanted = count if picks is None else min(picks, count)
    if count < _MANY:
        found = _running_minimum(np.asarray(points_ND, dtype=np.float64), history_HD)
        order, squared_N = found.order[:wanted], found.distance_at_pick
    else:
        order, squared_N = _lazy(points_ND, history_HD, wanted)
    kept_N = np.full(count, np.nan)
    kept_N[order] = np.sqrt(squared_N[order])
    return Traversal(order, kept_N)


def _running_minimum(points_ND: np.ndarray, history_HD: np.ndarray) -> Traversal:
    """Return order and squared distances of all points."""
    norm_N, count, seeded = squared_norms(points_ND), len(points_ND), bool(history_HD.size)
    if seeded:
        nearest_N = nearest_squared_distance(points_ND, history_HD)
    else:
        nearest_N = squared_norms(points_ND - points_ND.mean(axis=0))
    order, squared_N = np.empty(count, dtype=np.intp), np.empty(count)
    for place in range(count):
        pick = int(np.argmax(nearest_N))
        order[place], squared_N[pick] = pick, nearest_N[pick]
        to_pick_N = squared_distances_to(points_ND, norm_N, pick)
        nearest_N = np.minimum(nearest_N, to_pick_N) if seeded or place else to_pick_N
        nearest_N[pick] = -1.0
    if not seeded:
        squared_N[order[0]] = squared_N[order[1]] if count > 1 else 0.0
    return Traversal(order, squared_N)


def _lazy(points_ND: np.ndarray, history_HD: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `wanted` of the order, and squared distances by row."""
    points_ND = np.asarray(points_ND)
    first_U = first_rows(points_ND)
    distinct_UD = points_ND if len(first_U) == len(points_ND) else points_ND[first_U]
    points = ArrayPoints(distinct_UD, history_HD.reshape(-1, points_ND.shape[1]), min(wanted, len(first_U)))
    start = None if history_HD.size else points.farthest_from(points_ND.mean(axis=0, dtype=np.float64))
    return distinct_order(points, start, first_U, len(points_ND), wanted)


def rank01(values_N: np.ndarray) -> np.ndarray:
    """Return ranks scaled to [0, 1], (N,): the smallest value 0, the largest 1, ties their mean rank; a single one 0.5.

    >>> rank01(np.array([10.0, 30.0, 20.0])).tolist()
    [0.0, 1.0, 0.5]
    >>> rank01(np.array([7.0, 7.0])).tolist()
    [0.5, 0.5]
    """
    return rank01_along(values_N, np.argsort(values_N, kind="stable"))


def rank01_along(values_N: np.ndarray, order_N: np.ndarray) -> np.ndarray:
    """Return `rank01` of values whose ascending order is known; equal ones may stand in any order."""
    count = len(values_N)
    if count == 1:
        return np.array([0.5])
    ascending = values_N[order_N]
    new_N = np.empty(count, dtype=bool)
    new_N[0] = True
    np.not_equal(ascending[1:], ascending[:-1], out=new_N[1:])
    rank_N = np.empty(count)
    if new_N.all():
        rank_N[order_N] = np.arange(count) / (count - 1)
        return rank_N
    start = np.flatnonzero(new_N)
    size = np.diff(np.append(start, count))
    mean_rank = start + (size - 1) / 2
    rank_N[order_N] = np.repeat(mean_rank, size) / (count - 1)
    return rank_N
