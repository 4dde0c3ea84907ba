"""The terms of LHAS that change with every pick inside one ranking.

Each is a working object of one `rank` call: made from the history, followed from pick to pick, thrown away.
Shape letters: N candidates, D hidden, K sketch, H centroids, C clusters, R directions kept.
"""

from typing import Protocol

import numpy as np

from farsighted.selectors.base import Clusters
from farsighted.sets.geometry import nearest_squared_distance, squared_from_products, squared_norms
from farsighted.sets.greedy import rank01_along
from farsighted.sets.history import KEPT_PER_READ, Directions, overshare, turned, widened
from farsighted.sets.products import Products


class Term(Protocol):
    """A term that knows what was picked so far."""

    def now(self) -> np.ndarray:
        """Return the term of every candidate, (N,) in [0, 1], given the history and the picks so far."""

    def add(self, pick: int, likely_N: np.ndarray) -> None:
        """Put a candidate into the history; `likely_N` says who is likely to come next (`Products.of`)."""


class NoTerm:
    """A term of weight 0: nothing is computed."""

    def __init__(self, count: int) -> None:
        self._zero_N = np.zeros(count)

    def now(self) -> np.ndarray:
        """Return zeros."""
        return self._zero_N

    def add(self, pick: int, likely_N: np.ndarray) -> None:
        """Remember nothing."""


class Coverage:
    """c of Eq. 5: the rank of the distance to the nearest of history and picks; a running minimum, O(N) a pick.

    Products apart. The ascending order is kept from pick to pick: a pick moves few distances, and a merge sort of what
    is nearly sorted takes a tenth of a sort.
    """

    def __init__(self, points_ND: np.ndarray, centroid_HD: np.ndarray) -> None:
        wide_ND = np.asarray(points_ND, dtype=np.float64)
        self._norm_N = squared_norms(wide_ND)
        self._products = Products(points_ND)
        self._empty = not centroid_HD.size
        count = len(points_ND)
        self._nearest_N = np.full(count, np.inf) if self._empty else nearest_squared_distance(wide_ND, centroid_HD)
        self._order_N = np.arange(count)

    def now(self) -> np.ndarray:
        """Return ranks in [0, 1] over all N candidates, the picked ones at distance 0; zeros without a history."""
        if self._empty:
            return np.zeros(len(self._nearest_N))
        self._order_N = self._order_N[np.argsort(self._nearest_N[self._order_N], kind="stable")]
        return rank01_along(self._nearest_N, self._order_N)

    def add(self, pick: int, likely_N: np.ndarray) -> None:
        """Let the pick be a point of the history."""
        product_N = self._products.of(pick, likely_N)
        to_pick_N = squared_from_products(self._norm_N, self._norm_N[pick], product_N)
        np.minimum(self._nearest_N, to_pick_N, out=self._nearest_N)
        self._empty = False


class Concentration:
    """a of Eq. 5: half the overshare of the cluster, half the squared projection on the history's directions.

    The basis itself is never moved: the candidates' coordinates in it are, by the same rotation. A pick costs O(N R^2)
    beside the products of all sketches with its own.
    """

    def __init__(
        self, clusters: Clusters, count_C: np.ndarray, sketch_NK: np.ndarray, directions: Directions, read: int
    ) -> None:
        self._cluster_N = clusters.number
        self._count_C = widened(count_C, clusters.total)
        wide_NK = np.asarray(sketch_NK, dtype=np.float64)
        self._products = Products(sketch_NK)
        self._norm_N = squared_norms(wide_NK)
        self._value_R = directions.value
        self._read, self._limit = read, KEPT_PER_READ * read
        known = len(directions.value)
        # One row more than is kept: the part of a pick's gradient outside the span.
        self._place_RN = np.zeros((max(self._limit, known) + 1, len(sketch_NK)))
        if known:
            self._place_RN[:known] = directions.basis @ wide_NK.T

    def now(self) -> np.ndarray:
        """Return the concentration that each candidate would repeat, (N,) in [0, 1]."""
        strongest_RN = self._place_RN[: min(self._read, len(self._value_R))]
        squared_N = np.einsum("rn,rn->n", strongest_RN, strongest_RN)
        along_N = np.divide(squared_N, self._norm_N, out=np.zeros(len(squared_N)), where=self._norm_N > 0)
        concentration_N: np.ndarray = 0.5 * overshare(self._count_C)[self._cluster_N] + 0.5 * np.minimum(along_N, 1.0)
        return concentration_N

    def add(self, pick: int, likely_N: np.ndarray) -> None:
        """Count the pick's cluster and turn the directions towards its gradient."""
        self._count_C[self._cluster_N[pick]] += 1
        known = len(self._value_R)
        inside_R = self._place_RN[:known, pick].copy()
        outside = float(np.sqrt(max(0.0, self._norm_N[pick] - inside_R @ inside_R)))
        beyond_N = self._place_RN[known]
        beyond_N[:] = 0.0
        if outside > 0:
            np.subtract(self._products.of(pick, likely_N), inside_R @ self._place_RN[:known], out=beyond_N)
            beyond_N /= outside
        self._value_R, rotation = turned(self._value_R, inside_R, outside, self._limit)
        self._place_RN[: len(rotation)] = rotation @ self._place_RN[: known + 1]
