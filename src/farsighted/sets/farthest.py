"""Exact farthest-first traversal of many points, at the cost of a part of the distances (k-center greedy).

A distance to the nearest centre only falls as centres come. So a minimum over some of the centres is an upper bound,
and a point whose bound is below the best current minimum cannot be the next pick: it needs no new distances. Points
are brought up to date in three tiers, each for fewer points than the one before:

1. `bound`: the few thousand largest bounds, against the centres that came since, as one float32 matrix product; its
   rounding is bounded and added.
2. `exact`: the few hundred largest of those, in float64; from here picks are made, each followed by one product of
   this small set with the new centre, until the best of the set no longer exceeds every bound outside of it.
3. `pairwise`: points that tie within the rounding of float64 are compared by one formula that does not depend on how
   products are blocked, `‖x‖² + ‖c‖² − 2⟨x, c⟩`, pair by pair. Equal ones go by row number.

So the order is that of the plain loop over all distances by that formula. Shape letters: N points, M some of them, T
centres (history first, then picks), D width.
"""

from typing import Final, Protocol

import numpy as np

from farsighted.sets.geometry import ROUNDING, squared_norms

_POOL: Final = 4096
"""Points that are refreshed in float32 at a time, at first."""
_SMALL: Final = 256
"""Points that are refreshed in float64 and picked from, at first."""
_FEW: Final = 16
"""Picks from one set of points below which the next set is larger."""
BLOCK_CELLS: Final = 1 << 22
"""Products held at once: 16 MiB in float32, 32 MiB in float64."""


class Points(Protocol):
    """The products that a traversal needs; the points may lie on any device."""

    @property
    def squared_norm(self) -> np.ndarray:
        """(N,) float64, exact up to rounding."""

    @property
    def width(self) -> int:
        """D."""

    @property
    def centres(self) -> int:
        """T, centres so far."""

    @property
    def largest_norm(self) -> float:
        """Largest squared norm of any point or centre."""

    def add_centre(self, row: int) -> None:
        """Make a point a centre."""

    def bound(self, rows_M: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the largest `2⟨x, c⟩ − ‖c‖²` (M,) over centres start..stop, from float32 products."""

    def exact(self, rows_M: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the same from float64 products, and the centre it belongs to."""

    def hold(self, rows_M: np.ndarray) -> None:
        """Keep some points in float64 for `held_products`."""

    def held_products(self, row: int) -> np.ndarray:
        """Return `⟨x, x_row⟩` (M,) of the points held, from float64 products."""

    def pairwise(self, row: int, start: int, stop: int) -> np.ndarray:
        """Return squared distances (T,) of a point to centres start..stop, by the one formula."""


class ArrayPoints:
    """Points and centres as numpy arrays.

    Beyond the points: a float32 copy where they are not in float32, and the centres in both precisions.
    """

    def __init__(self, points_ND: np.ndarray, history_HD: np.ndarray, picks: int) -> None:
        self._points_ND = points_ND
        self._narrow_ND = np.asarray(points_ND, dtype=np.float32)
        self.width = points_ND.shape[1]
        self.squared_norm = np.concatenate([squared_norms(part.astype(np.float64)) for part in self._parts()])
        self.centres = len(history_HD)
        self._centre_TD = np.zeros((self.centres + picks, self.width))
        self._centre_TD[: self.centres] = history_HD
        self._narrow_TD = self._centre_TD.astype(np.float32)
        self._norm_T = squared_norms(self._centre_TD)
        self._held_MD = np.empty((0, self.width))

    @property
    def largest_norm(self) -> float:
        """Largest squared norm of any point or centre."""
        return max(float(self.squared_norm.max()), float(self._norm_T.max()))

    def farthest_from(self, place_D: np.ndarray) -> int:
        """Return the point farthest from a place; of equal ones the first."""
        parts = [squared_norms(part.astype(np.float64) - place_D) for part in self._parts()]
        return int(np.argmax(np.concatenate(parts)))

    def add_centre(self, row: int) -> None:
        """Make a point a centre."""
        place = self.centres
        self._centre_TD[place] = self._narrow_TD[place] = self._points_ND[row]
        self._norm_T[place] = self.squared_norm[row]
        self.centres += 1

    def bound(self, rows_M: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the largest `2⟨x, c⟩ − ‖c‖²` (M,) over centres start..stop, from float32 products."""
        block_MD = self._narrow_ND[rows_M] * np.float32(2)
        best_M = np.full(len(rows_M), -np.inf, dtype=np.float32)
        step = max(1, BLOCK_CELLS // len(rows_M))
        for first in range(start, stop, step):
            part = slice(first, min(first + step, stop))
            product_MT = block_MD @ self._narrow_TD[part].T
            product_MT -= self._norm_T[part].astype(np.float32)
            np.maximum(best_M, product_MT.max(axis=1), out=best_M)
        return best_M.astype(np.float64)

    def exact(self, rows_M: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the same from float64 products, and the centre it belongs to."""
        block_MD = self._points_ND[rows_M].astype(np.float64) * 2
        best_M, centre_M = np.full(len(rows_M), -np.inf), np.zeros(len(rows_M), dtype=np.intp)
        step = max(1, BLOCK_CELLS // len(rows_M))
        for first in range(start, stop, step):
            part = slice(first, min(first + step, stop))
            product_MT = block_MD @ self._centre_TD[part].T
            product_MT -= self._norm_T[part]
            place_M = product_MT.argmax(axis=1)
            value_M = product_MT[np.arange(len(rows_M)), place_M]
            better_M = value_M > best_M
            best_M[better_M], centre_M[better_M] = value_M[better_M], first + place_M[better_M]
        return best_M, centre_M

    def hold(self, rows_M: np.ndarray) -> None:
        """Keep some points in float64 for `held_products`."""
        self._held_MD = self._points_ND[rows_M].astype(np.float64)

    def held_products(self, row: int) -> np.ndarray:
        """Return `⟨x, x_row⟩` (M,) of the points held, from float64 products."""
        product_M: np.ndarray = self._held_MD @ self._points_ND[row].astype(np.float64)
        return product_M

    def pairwise(self, row: int, start: int, stop: int) -> np.ndarray:
        """Return squared distances (T,) of a point to centres start..stop, by the one formula."""
        norms_T = self.squared_norm[row] + self._norm_T[start:stop]
        squared_T: np.ndarray = norms_T - 2.0 * np.vecdot(
            self._centre_TD[start:stop], self._points_ND[row].astype(np.float64)
        )
        squared_T[squared_T <= ROUNDING * norms_T] = 0.0
        return squared_T

    def _parts(self) -> list[np.ndarray]:
        return np.array_split(self._points_ND, max(1, self._points_ND.size // BLOCK_CELLS))


def distinct_order(
    points: Points, start: int | None, first_U: np.ndarray, count: int, wanted: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `wanted` of the order of all points, and squared distances by row.

    Points that repeat another one or lie on a centre come behind the others, at distance 0, by row.

    Args:
        points: the distinct points, and the history as centres.
        start: the distinct point to begin with; None where there is a history.
        first_U: (U,) row of each distinct point.
        count: N, points in all.
        wanted: picks.
    """
    traversal = LazyTraversal(points)
    if start is not None:
        traversal.start(start)
    traversal.run(min(wanted, len(first_U)))
    picked = first_U[np.array(traversal.order, dtype=np.intp)]
    squared = np.array(traversal.squared)
    if start is not None:
        squared[0] = squared[1] if len(squared) > 1 else 0.0
    squared_N = np.zeros(count)
    # Distances fall by definition; rounding may say otherwise.
    squared_N[picked] = np.minimum.accumulate(squared)
    rest = np.setdiff1d(np.arange(count), picked, assume_unique=True)
    return np.concatenate([picked, rest])[:wanted], squared_N


class LazyTraversal:
    """A traversal in progress over distinct points; before `run` there must be a centre."""

    def __init__(self, points: Points) -> None:
        count = len(points.squared_norm)
        self._points = points
        self._norm_N = points.squared_norm
        norms = self._norm_N + points.largest_norm
        # γ = D·u bounds the rounding of a product of D terms; twice that for `2⟨x, c⟩`, doubled for norms and sums.
        self._slack32_N = (4 * points.width + 16) * np.finfo(np.float32).eps / 2 * norms
        self._slack64 = float(((4 * points.width + 16) * np.finfo(np.float64).eps / 2 + ROUNDING) * norms.max())
        self._bound_N = np.full(count, np.inf)
        self._seen32_N = np.zeros(count, dtype=np.intp)
        self._value_N = np.full(count, np.inf)
        self._seen64_N = np.zeros(count, dtype=np.intp)
        self._nearest_N = np.zeros(count, dtype=np.intp)
        self._pair_N = np.full(count, np.inf)
        self._paired_N = np.zeros(count, dtype=np.intp)
        self._sizes = (_POOL, _SMALL)
        self.order: list[int] = []
        """Points picked so far."""
        self.squared: list[float] = []
        """Squared distance of each to the nearest centre when it was picked."""

    def start(self, row: int) -> None:
        """Make a point the first centre of all."""
        self._pick(row, np.inf)

    def run(self, picks: int) -> None:
        """Pick until there are `picks`, or until only points are left that lie on centres."""
        while len(self.order) < picks:
            before = len(self.order)
            small_M, outside = self._refreshed()
            if not self._pick_from(small_M, outside, picks):
                self._finish(picks)
                return
            self._resize(len(self.order) - before)

    def _resize(self, picked: int) -> None:
        """Take more points at a time where ties or nearly equal bounds let few be picked, fewer again afterwards."""
        if picked < _FEW:
            self._sizes = self._sizes[0] * 2, self._sizes[1] * 2
        elif picked > 4 * _FEW and self._sizes[1] > _SMALL:
            self._sizes = self._sizes[0] // 2, self._sizes[1] // 2

    def _refreshed(self) -> tuple[np.ndarray, float]:
        """Return the points with the largest bounds, up to date in float64, and the largest bound of all others."""
        pool_M = _largest(self._bound_N, self._sizes[0])
        for rows in _alike(pool_M[self._seen32_N[pool_M] < self._points.centres], self._seen32_N, 512):
            best = self._points.bound(rows, int(self._seen32_N[rows].min()), self._points.centres)
            bound = self._norm_N[rows] - best + self._slack32_N[rows]
            self._bound_N[rows] = np.minimum(self._bound_N[rows], bound)
            self._seen32_N[rows] = self._points.centres
        small_M = pool_M[_largest(self._bound_N[pool_M], self._sizes[1])]
        self._refresh_exactly(small_M)
        rest_N = self._bound_N.copy()
        rest_N[small_M] = -np.inf
        return small_M, float(rest_N.max())

    def _pick_from(self, small_M: np.ndarray, outside: float, picks: int) -> bool:
        """Pick while the best of these points exceeds everything else; False where products cannot tell from 0."""
        self._points.hold(small_M)
        value_M = self._value_N[small_M]
        while len(self.order) < picks:
            best = float(value_M.max())
            # Values may fall short by their rounding, bounds include theirs; -inf outside means that nothing is.
            if best - self._slack64 <= outside:
                break
            if best <= self._slack64:
                return False
            contender_M = np.flatnonzero(value_M >= best - 2 * self._slack64)
            row = int(small_M[contender_M[0]])
            if len(contender_M) > 1:
                row = self._first_of(small_M[contender_M])
            self._value_N[small_M] = value_M
            self._pick(row, float(self._points.pairwise(row, *_only(self._nearest_N[row]))[0]))
            away_M = self._norm_N[small_M] + self._norm_N[row] - 2.0 * self._points.held_products(row)
            closer_M = away_M < value_M
            self._nearest_N[small_M[closer_M]] = self._points.centres - 1
            np.minimum(value_M, away_M, out=value_M)
            value_M[small_M == row] = -np.inf
        self._value_N[small_M] = value_M
        self._settle(small_M)
        return True

    def _first_of(self, rows_M: np.ndarray) -> int:
        """Return the point of largest minimum by the one formula; of equal ones the smallest row number."""
        self._pair(rows_M)
        best_M = rows_M[self._pair_N[rows_M] == self._pair_N[rows_M].max()]
        return int(best_M.min())

    def _finish(self, picks: int) -> None:
        """Pick by the one formula alone: what is left lies on centres, or nearer to one than products can tell."""
        left_M = np.flatnonzero(self._bound_N > -np.inf)
        self._refresh_exactly(left_M)
        # Points on their nearest centre are done: nothing brings them away from it.
        left_M = left_M[[self._points.pairwise(int(row), *_only(self._nearest_N[row]))[0] > 0 for row in left_M]]
        while len(self.order) < picks and len(left_M):
            self._pair(left_M)
            left_M = left_M[self._pair_N[left_M] > 0]
            if len(left_M):
                row = int(left_M[np.argmax(self._pair_N[left_M])])
                self._pick(row, float(self._pair_N[row]))
                left_M = left_M[left_M != row]

    def _refresh_exactly(self, rows_M: np.ndarray) -> None:
        for rows in _alike(rows_M[self._seen64_N[rows_M] < self._points.centres], self._seen64_N, 64):
            best, centre = self._points.exact(rows, int(self._seen64_N[rows].min()), self._points.centres)
            self._improve(rows, self._norm_N[rows] - best, centre)
        self._settle(rows_M)

    def _pair(self, rows_M: np.ndarray) -> None:
        """Bring minima by the one formula up to date."""
        for row in rows_M:
            away_T = self._points.pairwise(int(row), int(self._paired_N[row]), self._points.centres)
            self._pair_N[row] = min(self._pair_N[row], away_T.min(initial=np.inf))
            self._paired_N[row] = self._points.centres

    def _pick(self, row: int, squared: float) -> None:
        self.order.append(row)
        self.squared.append(squared)
        self._points.add_centre(row)
        self._bound_N[row] = self._value_N[row] = -np.inf

    def _improve(self, rows_M: np.ndarray, value_M: np.ndarray, centre_M: np.ndarray) -> None:
        closer_M = value_M < self._value_N[rows_M]
        self._nearest_N[rows_M[closer_M]] = centre_M[closer_M]
        self._value_N[rows_M] = np.minimum(self._value_N[rows_M], value_M)

    def _settle(self, small_M: np.ndarray) -> None:
        """Write down that these points have seen every centre."""
        self._seen64_N[small_M] = self._seen32_N[small_M] = self._points.centres
        self._bound_N[small_M] = np.minimum(self._bound_N[small_M], self._value_N[small_M] + self._slack64)


def _largest(values_N: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` largest values that are not -inf, in no order."""
    places = np.arange(len(values_N)) if count >= len(values_N) else np.argpartition(-values_N, count - 1)[:count]
    return places[values_N[places] > -np.inf]


def _alike(rows_M: np.ndarray, seen_N: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut rows into parts that have seen about as many centres."""
    by_seen_M = rows_M[np.argsort(seen_N[rows_M], kind="stable")]
    return [by_seen_M[first : first + size] for first in range(0, len(by_seen_M), size)]


def _only(centre: int) -> tuple[int, int]:
    return int(centre), int(centre) + 1
