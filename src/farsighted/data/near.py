"""Nearly equal conversations: found by MinHash, and dropped only where the true similarity says so.

A MinHash signature guesses how alike two texts are. Signatures only tell which few pairs are worth a look; whether a
row is dropped is decided by the Jaccard index of its texts, so a lucky hash costs time, never an example.

Shape letters: N conversations, P hash functions, B bands, C candidates.

*Reference:* definitions.md#repeats; Broder 1997; Lee et al. 2022, arXiv 2107.06499.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from datasketch import MinHash

from farsighted.data.leaks import normalise

Conversation = Sequence[tuple[str, str]]
"""Role and text of every turn, at least two."""

THRESHOLD: Final = 0.8
"""The least similarity of near twins."""
SHINGLE: Final = 5
"""Characters of a shingle: words would leave languages without spaces out."""
_POWERS: Final = np.array([pow(0x9E3779B97F4A7C15, power, 2**64) for power in range(1, SHINGLE + 1)], dtype=np.uint64)
_PERMUTATIONS: Final = 128
"""P: hash functions for each of the two texts that a signature is made of."""
_BANDS: Final = 32
"""B: two conversations are compared where all of 4 + 4 values of some band agree. At the threshold in both texts a pair
is missed with probability (1 - 0.8^8)^32 = 0.003."""
_SEED: Final = 1
_MARGIN: Final = 0.15
"""How far below the threshold a guess may lie for the texts to be read: four standard deviations at P = 128."""
_BUCKET: Final = 100
"""Rows of a band's bucket that a row is compared with at most; the bound on what a pool of one template costs."""
_READ: Final = 20
"""Candidates whose texts are read at most, the likeliest first."""


def near_twins(conversations: Sequence[Conversation]) -> dict[int, tuple[int, float]]:
    """Return row to the row that it nearly repeats and their similarity, for rows that are to be dropped.

    Rows are gone through in order: one that is at least `THRESHOLD` similar to a row that was kept is dropped, and the
    most similar of these is named (of equal ones the first). So no row is dropped for a row that is dropped itself, and
    the same rows give the same answer.
    """
    if len(conversations) < 2:
        return {}
    signatures_2NP = _signatures(conversations)
    buckets_NB = _buckets(signatures_2NP)
    kept: dict[int, list[int]] = {}
    twins: dict[int, tuple[int, float]] = {}
    for row in np.flatnonzero((buckets_NB >= 0).any(axis=1)).tolist():
        mine = [bucket for bucket in buckets_NB[row].tolist() if bucket >= 0]
        seen = dict.fromkeys(chain.from_iterable(kept.get(bucket, ()) for bucket in mine))
        found = _most_similar(row, np.fromiter(seen, dtype=np.intp), signatures_2NP, conversations)
        if found is not None:
            twins[row] = found
            continue
        for bucket in mine:
            members = kept.setdefault(bucket, [])
            if len(members) < _BUCKET:
                members.append(row)
    return twins


def similarity(one: Conversation, other: Conversation) -> float:
    """Return how alike two conversations are, 0 to 1: the least Jaccard index of their turns, one by one.

    The index is of the sets of shingles, after letter case, Unicode form and white space are evened out as for leaks.
    The least, not the mean: a long system text that all rows share must not make two questions alike. Conversations
    with other roles, or more turns, are not alike at all.

    >>> similarity([("user", "Is it so?"), ("assistant", "Yes.")], [("user", "Is it so?"), ("assistant", "yes.")])
    1.0
    """
    if [role for role, _ in one] != [role for role, _ in other]:
        return 0.0
    return min(_jaccard(mine, theirs) for (_, mine), (_, theirs) in zip(one, other, strict=True))


def _jaccard(one: str, other: str) -> float:
    if one == other:
        return 1.0
    mine, theirs = _shingles(one), _shingles(other)
    return len(mine & theirs) / len(mine | theirs)


def _shingles(raw: str) -> set[str]:
    """Return the shingles of a text; one that is shorter is its own."""
    text = normalise(raw)
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def _most_similar(
    row: int, seen_C: np.ndarray, signatures_2NP: np.ndarray, conversations: Sequence[Conversation]
) -> tuple[int, float] | None:
    """Return the most similar of some rows and its similarity; None where none is a twin."""
    if not len(seen_C):
        return None
    agree_C = [np.count_nonzero(half_NP[seen_C] == half_NP[row], axis=1) for half_NP in signatures_2NP]
    guess_C = np.minimum(*agree_C) / _PERMUTATIONS
    # Sorted by row first, so that equal guesses come in file order.
    order_C = np.lexsort((seen_C, -guess_C))[:_READ]
    likely = seen_C[order_C[guess_C[order_C] >= THRESHOLD - _MARGIN]].tolist()
    found = [(similarity(conversations[row], conversations[other]), -other) for other in likely]
    best = max(found, default=(0.0, 0))
    return (-best[1], best[0]) if best[0] >= THRESHOLD else None


def _signatures(conversations: Sequence[Conversation]) -> np.ndarray:
    """Return (2, N, P) uint32: of the last two turns, question and answer."""
    drawn = MinHash(_PERMUTATIONS, seed=_SEED, hashfunc=int, scheme="affine32").permutations
    signatures_2NP = np.empty((2, len(conversations), _PERMUTATIONS), dtype=np.uint32)
    for row, conversation in enumerate(conversations):
        for place, (_, text) in enumerate(conversation[-2:]):
            signature = MinHash(_PERMUTATIONS, seed=_SEED, hashfunc=int, permutations=drawn, scheme="affine32")
            signature.update_batch(_hashes(normalise(text)).tolist())
            signatures_2NP[place, row] = signature.hashvalues
    return signatures_2NP


def _hashes(text: str) -> np.ndarray:
    """Return a 32-bit hash of each shingle of a text, the same in every process."""
    codes = np.frombuffer(text.ljust(SHINGLE, "\0").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE).astype(np.uint64)
    # A polynomial in an odd 64-bit number; the upper half depends on all five characters.
    mixed = (windows * _POWERS).sum(axis=1, dtype=np.uint64)
    return np.unique((mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(32))


def _buckets(signatures_2NP: np.ndarray) -> np.ndarray:
    """Return (N, B) numbers of buckets, no two bands sharing one; -1 where a row is alone in its bucket."""
    count = signatures_2NP.shape[1]
    buckets_NB = np.full((count, _BANDS), -1, dtype=np.int32)
    width, first = _PERMUTATIONS // _BANDS, 0
    for band in range(_BANDS):
        rows_NW = np.concatenate(signatures_2NP[:, :, band * width : (band + 1) * width], axis=1)
        keys = np.ascontiguousarray(rows_NW).view(f"V{rows_NW.shape[1] * rows_NW.itemsize}")[:, 0]
        _, bucket_N, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        shared_N = sizes[bucket_N] > 1
        buckets_NB[shared_N, band] = bucket_N[shared_N] + first
        first += len(sizes)
    return buckets_NB
