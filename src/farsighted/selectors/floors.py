"""Floors: how a ranking makes room for what another order asks for.

Each floor is a working object of one `rank` call: made from the history, followed from pick to pick, thrown away.
Shape letters: N candidates, C clusters.
"""

from typing import NamedTuple, Protocol

import numpy as np

from farsighted.selectors.base import Clusters
from farsighted.sets.history import widened


class Floor(Protocol):
    """What a share of every prefix is to be."""

    def serves(self, row: int) -> bool:
        """Return whether a candidate that is left would count for the floor if it were picked now."""

    def best(self) -> int | None:
        """Return the candidate that the floor asks for now; None where none that is left would count."""

    def take(self, row: int) -> None:
        """Follow a pick: the first of the order that is left, or what `best` returned."""


class Floored(NamedTuple):
    """A ranking under a floor."""

    order: np.ndarray
    """(N,) row numbers, best first."""
    asked: np.ndarray
    """(N,) by row: whether the floor asked for the candidate, and not the order."""


def floored(order_N: np.ndarray, size_N: np.ndarray, share: float, floor: Floor) -> Floored:
    """Return an order of which every prefix holds at least a share, by size, of picks that count for a floor.

    Pick again and again the first of `order_N` that is left. Where it does not count for the floor, and the picks with
    it would hold less than the share of such that do, the floor's best is picked in its place, while there is one.
    What the order picks by itself counts too: the floor takes no more than is missing.

    >>> floored(np.arange(5), np.ones(5), 0.5, Marked(np.array([0, 0, 0, 1, 1]), np.arange(5))).order.tolist()
    [3, 0, 4, 1, 2]
    """
    left_N, asked_N = np.ones(len(order_N), dtype=bool), np.zeros(len(order_N), dtype=bool)
    order, first, total, served = np.empty(len(order_N), dtype=np.intp), 0, 0.0, 0.0
    for place in range(len(order_N)):
        while not left_N[order_N[first]]:
            first += 1
        pick = int(order_N[first])
        counts, wanted = floor.serves(pick), share * (total + size_N[pick])
        # Shares are floats: do not ask for one more candidate for a rounding error.
        if not counts and served < wanted - 1e-9 * max(wanted, 1.0):
            best = floor.best()
            if best is not None:
                pick, counts, asked_N[best] = best, True, True
        order[place], left_N[pick] = pick, False
        total += size_N[pick]
        served += size_N[pick] if counts else 0.0
        floor.take(pick)
    return Floored(order, asked_N)


class LeastServed:
    """Counts candidates of the clusters that history and picks hold least of, among clusters with candidates left.

    O(C) a pick: each cluster's candidates wait in the given order, so that every pick is the first of its cluster.
    """

    def __init__(self, clusters: Clusters, count_C: np.ndarray, order_N: np.ndarray) -> None:
        self._cluster_N = clusters.number
        self._count_C = widened(count_C, clusters.total)
        self._place_N = np.argsort(order_N)
        self._queue_N = order_N[np.argsort(self._cluster_N[order_N], kind="stable")]
        waiting_C = np.bincount(self._cluster_N, minlength=len(self._count_C))
        self._end_C = np.cumsum(waiting_C)
        self._first_C = self._end_C - waiting_C

    def serves(self, row: int) -> bool:
        """Return whether no cluster with candidates left was served less than the candidate's."""
        return bool(self._count_C[self._cluster_N[row]] == self._least())

    def best(self) -> int:
        """Return the first in the order of all candidates of the least-served clusters."""
        least_C = (self._first_C < self._end_C) & (self._count_C == self._least())
        rows = self._queue_N[self._first_C[least_C]]
        return int(rows[np.argmin(self._place_N[rows])])

    def take(self, row: int) -> None:
        """Count the pick's cluster."""
        self._first_C[self._cluster_N[row]] += 1
        self._count_C[self._cluster_N[row]] += 1

    def _least(self) -> int:
        return int(self._count_C[self._first_C < self._end_C].min())


class Largest:
    """Counts the candidate of the largest value among those left; equal ones all count, the order says which first."""

    def __init__(self, value_N: np.ndarray, order_N: np.ndarray) -> None:
        self._value_N = value_N
        self._queue_N = order_N[np.argsort(-value_N[order_N], kind="stable")]
        self._left_N = np.ones(len(order_N), dtype=bool)
        self._first = 0

    def serves(self, row: int) -> bool:
        """Return whether no candidate left has a larger value."""
        return bool(self._value_N[row] == self._value_N[self.best()])

    def best(self) -> int:
        """Return the candidate of the largest value."""
        while not self._left_N[self._queue_N[self._first]]:
            self._first += 1
        return int(self._queue_N[self._first])

    def take(self, row: int) -> None:
        """Let the pick be gone."""
        self._left_N[row] = False


class Marked:
    """Counts candidates that carry a mark (a number above 0), the first in the order first."""

    def __init__(self, mark_N: np.ndarray, order_N: np.ndarray) -> None:
        self._marked_N = mark_N > 0
        self._queue = order_N[self._marked_N[order_N]]
        self._first = 0

    def serves(self, row: int) -> bool:
        """Return whether the candidate is marked."""
        return bool(self._marked_N[row])

    def best(self) -> int | None:
        """Return the first marked candidate that is left."""
        return int(self._queue[self._first]) if self._first < len(self._queue) else None

    def take(self, row: int) -> None:
        """Let the pick be gone."""
        self._first += int(self._marked_N[row])
