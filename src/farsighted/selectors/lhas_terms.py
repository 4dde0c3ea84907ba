"""The terms of LHAS that change with every pick inside one ranking.

Each is a working object of one `rank` call: made from the history, followed from pick to pick, thrown away.
Shape letters: N candidates, D hidden, K sketch, H centroids, C clusters, R directions kept.
"""

from typing import Protocol

import numpy as np

from farsighted.selectors.base import Clusters
from farsighted.selectors.geometry import nearest_squared_distance, squared_distances_to, squared_norms
from farsighted.selectors.greedy import rank01
from farsighted.selectors.history import KEPT_PER_READ, Directions, overshare, turned, widened


class Term(Protocol):
    """A term that knows what was picked so far."""

    def now(self) -> np.ndarray:
        """Return the term of every candidate, (N,) in [0, 1], given the history and the picks so far."""

    def add(self, pick: int) -> None:
        """Put a candidate into the history."""


class NoTerm:
    """A term of weight 0: nothing is computed."""

    def __init__(self, count: int) -> None:
        self._zero_N = np.zeros(count)

    def now(self) -> np.ndarray:
        """Return zeros."""
        return self._zero_N

    def add(self, pick: int) -> None:
        """Remember nothing."""


class Coverage:
    """c of Eq. 5: the rank of the distance to the nearest of history and picks; a running minimum, O(N D) a pick."""

    def __init__(self, points_ND: np.ndarray, centroid_HD: np.ndarray) -> None:
        self._points_ND = np.asarray(points_ND, dtype=np.float64)
        self._norm_N = squared_norms(self._points_ND)
        self._empty = not centroid_HD.size
        count = len(points_ND)
        self._nearest_N = np.full(count, np.inf) if self._empty else nearest_squared_distance(points_ND, centroid_HD)

    def now(self) -> np.ndarray:
        """Return ranks in [0, 1] over all N candidates, the picked ones at distance 0; zeros without a history."""
        return np.zeros(len(self._nearest_N)) if self._empty else rank01(self._nearest_N)

    def add(self, pick: int) -> None:
        """Let the pick be a point of the history."""
        to_pick_N = squared_distances_to(self._points_ND, self._norm_N, pick)
        self._nearest_N = np.minimum(self._nearest_N, to_pick_N)
        self._empty = False


class Concentration:
    """a of Eq. 5: half the overshare of the cluster, half the squared projection on the history's directions.

    The basis itself is never moved: the candidates' coordinates in it are, by the same rotation. A pick costs one
    product of all sketches with its own, O(N K), and O(N R^2) beside.
    """

    def __init__(
        self, clusters: Clusters, count_C: np.ndarray, sketch_NK: np.ndarray, directions: Directions, read: int
    ) -> None:
        self._cluster_N = clusters.number
        self._count_C = widened(count_C, clusters.total)
        self._sketch_NK = np.asarray(sketch_NK, dtype=np.float64)
        self._norm_N = squared_norms(self._sketch_NK)
        self._value_R = directions.value
        known = len(directions.value)
        self._place_NR = self._sketch_NK @ directions.basis.T if known else np.empty((len(sketch_NK), 0))
        self._read = read

    def now(self) -> np.ndarray:
        """Return the concentration that each candidate would repeat, (N,) in [0, 1]."""
        strongest_NR = self._place_NR[:, : self._read]
        squared_N = np.vecdot(strongest_NR, strongest_NR)
        along_N = np.divide(squared_N, self._norm_N, out=np.zeros(len(squared_N)), where=self._norm_N > 0)
        concentration_N: np.ndarray = 0.5 * overshare(self._count_C)[self._cluster_N] + 0.5 * np.minimum(along_N, 1.0)
        return concentration_N

    def add(self, pick: int) -> None:
        """Count the pick's cluster and turn the directions towards its gradient."""
        self._count_C[self._cluster_N[pick]] += 1
        inside_R = self._place_NR[pick]
        outside = float(np.sqrt(max(0.0, self._norm_N[pick] - inside_R @ inside_R)))
        gram_N = np.vecdot(self._sketch_NK, self._sketch_NK[pick])
        beyond_N = gram_N - self._place_NR @ inside_R
        beyond_N = beyond_N / outside if outside > 0 else np.zeros(len(beyond_N))
        self._value_R, rotation = turned(self._value_R, inside_R, outside, KEPT_PER_READ * self._read)
        self._place_NR = np.column_stack([self._place_NR, beyond_N]) @ rotation.T
