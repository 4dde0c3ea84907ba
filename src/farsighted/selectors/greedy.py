"""Set functions that several selectors share.

Shape letters: N candidates, H history, D hidden.
"""

from typing import NamedTuple

import numpy as np

from farsighted.selectors.geometry import nearest_squared_distance, squared_distances_to, squared_norms


class Traversal(NamedTuple):
    """Every candidate in greedy order."""

    order: np.ndarray
    """(N,) row numbers in the order of picking."""
    distance_at_pick: np.ndarray
    """(N,) by row: Euclidean distance to everything picked before, never increasing along the order."""


def farthest_first(points_ND: np.ndarray, history_HD: np.ndarray) -> Traversal:
    """Pick again and again the point farthest from everything picked so far (k-center greedy).

    Pick argmax_i min_{j in history or picked} ||x_i - x_j||, ties to the smaller row. With an empty history the first
    pick is the point farthest from the points' mean; nothing lies before it, so it shares the second pick's distance
    (0 if it is alone). A running minimum of N distances serves all picks: O(N D) each.

    Args:
        points_ND: The candidates.
        history_HD: Everything selected earlier; any array without elements where there is nothing.

    Returns:
        The traversal of all N points.

    *Reference:* Gonzalez 1985; Sener & Savarese 2018, Algorithm 1.

    >>> farthest_first(np.array([[0.0], [1.0], [5.0]]), np.array([[0.0]])).order.tolist()
    [2, 1, 0]
    """
    points_ND = np.asarray(points_ND, dtype=np.float64)
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
    return Traversal(order, np.sqrt(squared_N))


def rank01(values_N: np.ndarray) -> np.ndarray:
    """Return ranks scaled to [0, 1], (N,): the smallest value 0, the largest 1, ties their mean rank; a single one 0.5.

    >>> rank01(np.array([10.0, 30.0, 20.0])).tolist()
    [0.0, 1.0, 0.5]
    >>> rank01(np.array([7.0, 7.0])).tolist()
    [0.5, 0.5]
    """
    count = len(values_N)
    if count == 1:
        return np.array([0.5])
    order = np.argsort(values_N, kind="stable")
    ascending = values_N[order]
    start = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    size = np.diff(np.append(start, count))
    mean_rank = start + (size - 1) / 2
    rank_N = np.empty(count)
    rank_N[order] = np.repeat(mean_rank, size) / (count - 1)
    return rank_N
