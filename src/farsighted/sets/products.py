"""Inner products of all candidates with one after the other, computed for many at once.

Shape letters: N candidates, U distinct ones, B held at once, K width.
"""

from typing import Final

import numpy as np

from farsighted.sets.geometry import distinct_rows

HELD_CELLS: Final = 1 << 24
"""Products held at once: 128 MiB in float64, all of them up to 4,096 distinct candidates."""
_BLOCK: Final = 256
"""Candidates at most whose products are computed together."""


class Products:
    """`⟨x_i, x_j⟩` of rows, asked for one j after the other, in an order that is not known beforehand.

    One product of a matrix with a vector reads all rows for two operations a number, so it waits for memory. A matrix
    product does not: where all N² products are few enough they are computed at once; beyond, those of the candidates
    that are likely to be asked for next. Equal rows have products that are equal to the last bit, as each distinct row
    is computed once. Memory beyond the rows: `HELD_CELLS` numbers and a float64 copy.
    """

    def __init__(self, rows_NK: np.ndarray) -> None:
        first_U, self._place_N = distinct_rows(rows_NK)
        self._repeats = len(first_U) < len(rows_NK)
        self._row_UK = np.asarray(rows_NK[first_U] if self._repeats else rows_NK, dtype=np.float64)
        self._size = max(1, min(_BLOCK, HELD_CELLS // max(1, len(first_U))))
        self._held_BU = np.empty((0, len(first_U)))
        self._slot_U = np.full(len(first_U), -1, dtype=np.intp)
        if len(first_U) ** 2 <= HELD_CELLS:
            self._held_BU = self._row_UK @ self._row_UK.T
            self._slot_U = np.arange(len(first_U))

    def of(self, row: int, likely_N: np.ndarray) -> np.ndarray:
        """Return the products (N,) of all rows with one of them.

        Args:
            row: the row asked for.
            likely_N: the larger, the sooner a row is expected to be asked for; -inf for never again.
        """
        place = self._place_N[row]
        if self._slot_U[place] < 0:
            self._compute(row, likely_N)
        product_U: np.ndarray = self._held_BU[self._slot_U[place]]
        return np.take(product_U, self._place_N) if self._repeats else product_U

    def _compute(self, row: int, likely_N: np.ndarray) -> None:
        size = min(self._size, len(likely_N))
        rows = np.argpartition(-likely_N, size - 1)[:size]
        place_B = np.unique(self._place_N[np.append(rows, row)])
        self._held_BU = self._row_UK[place_B] @ self._row_UK.T
        self._slot_U[:] = -1
        self._slot_U[place_B] = np.arange(len(place_B))
