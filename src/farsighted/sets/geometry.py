"""Distances and angles between rows, in float64, without any N x N matrix.

Shape letters: N candidates, H history or memory entries, D and K widths.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

_BLOCK_CELLS = 1 << 22
"""Largest block of distances held at once (32 MiB in float64)."""

ROUNDING = 1e-13
"""Squared distances below this share of the squared norms are rounding of the Gram form: the rows are equal."""


def squared_norms(rows_NK: np.ndarray) -> np.ndarray:
    """Return the squared length of every row, (N,)."""
    squared_N: np.ndarray = np.vecdot(rows_NK, rows_NK)
    return squared_N


def squared_distances_to(rows_NK: np.ndarray, squared_norm_N: np.ndarray, row: int) -> np.ndarray:
    """Return squared Euclidean distances of all rows to one of them, (N,); equal rows are at exactly 0."""
    return squared_from_products(squared_norm_N, squared_norm_N[row], np.vecdot(rows_NK, rows_NK[row]))


def squared_from_products(first: np.ndarray, second: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Return `‖x‖² + ‖y‖² − 2⟨x, y⟩`, and exactly 0 where that is rounding."""
    norms = first + second
    squared: np.ndarray = norms - 2.0 * gram
    squared[squared <= ROUNDING * norms] = 0.0
    return squared


def nearest_squared_distance(rows_NK: np.ndarray, history_HK: np.ndarray) -> np.ndarray:
    """Return the squared distance of every row to the nearest of H >= 1 history rows, (N,)."""
    return np.concatenate([block_BH.min(axis=1) for block_BH in _blocks(rows_NK, history_HK)])


def mean_distance(rows_NK: np.ndarray, memory_HK: np.ndarray) -> np.ndarray:
    """Return the mean Euclidean distance of every row to a memory, (N,); 0 while the memory is empty.

    >>> mean_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [3.0]
    """
    if not memory_HK.size:
        return np.zeros(len(rows_NK))
    return np.concatenate([np.sqrt(block_BH).mean(axis=1) for block_BH in _blocks(rows_NK, memory_HK)])


def cosines(rows_NK: np.ndarray, vector_K: np.ndarray) -> np.ndarray:
    """Return the cosine of every row with one vector, (N,) in [-1, 1]; 0 where either has no length.

    >>> cosines(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([1.0, 0.0])).tolist()
    [1.0, 0.0]
    """
    rows_NK, vector_K = np.asarray(rows_NK, dtype=np.float64), np.asarray(vector_K, dtype=np.float64)
    length_N = np.sqrt(squared_norms(rows_NK)) * np.linalg.norm(vector_K)
    gram_N = np.vecdot(rows_NK, vector_K)
    cosine_N: np.ndarray = np.divide(gram_N, length_N, out=np.zeros(len(rows_NK)), where=length_N > 0)
    return cosine_N.clip(-1.0, 1.0)


def at_unit_length(rows_NK: np.ndarray) -> np.ndarray:
    """Return rows at length 1, (N, K), in their own precision; a row without length stays as it is.

    >>> at_unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length_N1 = np.linalg.norm(rows_NK, axis=1, keepdims=True)
    unit_NK: np.ndarray = rows_NK / np.where(length_N1 > 0, length_N1, 1)
    return unit_NK


def largest_cosine(unit_NK: np.ndarray, history_HK: np.ndarray) -> np.ndarray:
    """Return the cosine of every row with the most similar of H >= 1 history rows, (N,) in [0, 1]; all of length 1."""
    history_HK = np.asarray(history_HK, dtype=np.float64)
    parts = [(block_BK @ history_HK.T).max(axis=1) for block_BK in _rows_in_blocks(unit_NK, len(history_HK))]
    return np.concatenate(parts).clip(0.0, 1.0)


def appended(history_HK: np.ndarray, rows_MK: np.ndarray) -> np.ndarray:
    """Return the history with rows put behind it; an empty history takes the width of the rows."""
    return np.concatenate([history_HK, rows_MK]) if history_HK.size else rows_MK.copy()


def first_rows(rows_NK: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows that repeat no earlier row, ascending.

    >>> first_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])).tolist()
    [0, 1]
    """
    return distinct_rows(rows_NK)[0]


def distinct_rows(rows_NK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers (U,) of the rows that repeat no earlier row, and for every row (N,) its place among them.

    >>> [part.tolist() for part in distinct_rows(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))]
    [[0, 1], [0, 1, 0]]
    """
    place: dict[bytes, int] = {}
    digests = (hashlib.blake2b(row_K.data, digest_size=16).digest() for row_K in np.ascontiguousarray(rows_NK))
    place_N = np.fromiter((place.setdefault(digest, len(place)) for digest in digests), np.intp, len(rows_NK))
    return np.unique(place_N, return_index=True)[1], place_N


def _blocks(rows_NK: np.ndarray, history_HK: np.ndarray) -> Iterator[np.ndarray]:
    """Yield squared distances (B, H) of consecutive blocks of rows."""
    history_HK = np.asarray(history_HK, dtype=np.float64)
    history_norm_H = squared_norms(history_HK)
    for block_BK in _rows_in_blocks(rows_NK, len(history_HK)):
        yield squared_from_products(squared_norms(block_BK)[:, None], history_norm_H, block_BK @ history_HK.T)


def _rows_in_blocks(rows_NK: np.ndarray, others: int) -> Iterator[np.ndarray]:
    """Yield consecutive rows (B, K) in float64, with B chosen so that B times `others` cells fill one block."""
    rows_a_block = max(1, _BLOCK_CELLS // others)
    for start in range(0, len(rows_NK), rows_a_block):
        yield np.asarray(rows_NK[start : start + rows_a_block], dtype=np.float64)
