"""Batches of similar length, so that little of a forward pass is padding. Shapes: N examples, B batch, L tokens."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

PASS_TOKENS: Final = 256
"""Padding that a batch may hold before the rest goes into another one.

A pass has a cost that does not depend on its tokens: on a small model the dispatch of its operations, on a large one
the reading of its weights. A little padding is cheaper than that; much is not.
"""


class Padded(NamedTuple):
    """Token ids of a batch, filled up on the right."""

    ids_BL: np.ndarray
    """(B, L) int64 token ids."""
    mask_BL: np.ndarray
    """(B, L) bool, true at tokens, false at padding."""


def length_sorted_batches(lengths: Sequence[int] | np.ndarray, max_tokens: int) -> list[np.ndarray]:
    """Return batches of row numbers, longest first; every row is in exactly one.

    The padded size of a batch (its longest length times its rows) is at most `max_tokens`, unless it holds one row, and
    at most `PASS_TOKENS` of it are padding. Equal lengths keep their order.

    Args:
        lengths: (N,) tokens of each row, at least 1.
        max_tokens: Padded tokens of a batch, at least 1.

    Raises:
        ValueError: A length or `max_tokens` below 1.

    >>> [batch.tolist() for batch in length_sorted_batches([2, 5, 3, 2], 6)]
    [[1], [2, 0], [3]]
    """
    lengths_N = np.asarray(lengths, dtype=np.int64)
    if max_tokens < 1 or (lengths_N < 1).any():
        raise ValueError("Lengths and max_tokens must be at least 1. Leave empty rows out.")
    order_N = np.argsort(-lengths_N, kind="stable")
    batches = []
    start = 0
    while start < len(order_N):
        longest = int(lengths_N[order_N[start]])
        rows = order_N[start : start + max(1, max_tokens // longest)]
        padding = np.cumsum(longest - lengths_N[rows])
        batches.append(rows[padding <= PASS_TOKENS])
        start += len(batches[-1])
    return batches


def pad(ids: Sequence[Sequence[int]], fill: int = 0) -> Padded:
    """Return sequences of ids as one array, filled up on the right with `fill`, and a mask of the tokens.

    >>> pad([[1, 2], [3]]).ids_BL.tolist()
    [[1, 2], [3, 0]]
    """
    lengths_B = np.array([len(row) for row in ids], dtype=np.int64)
    mask_BL = np.arange(lengths_B.max(initial=0)) < lengths_B[:, None]
    ids_BL = np.full(mask_BL.shape, fill, dtype=np.int64)
    ids_BL[mask_BL] = [token for row in ids for token in row]
    return Padded(ids_BL, mask_BL)
