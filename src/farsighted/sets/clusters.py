"""Spherical k-means: clusters of examples whose metadata names none (definitions.md#cluster)."""

from dataclasses import dataclass

import numpy as np

from farsighted.core.errors import DataError

_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters in a fixed order: larger first, and of equal ones the one with the earliest example."""

    labels_N: np.ndarray
    """(N,) int64, 0 .. C − 1."""
    centroids_CD: np.ndarray
    """(C, D) float32, each of length 1."""


def spherical_kmeans(embeddings_ND: np.ndarray, k: int, generator: np.random.Generator) -> Clusters:
    """Return at most k clusters by cosine; fewer where there are fewer distinct directions.

    Scikit-learn's `KMeans` (k-means++, 10 starts) on rows of length 1 comes first. For unit x, `‖x − c‖² = 1 + ‖c‖² −
    2⟨x, c⟩`: the nearest centroid is the one of largest cosine only among centroids of equal length, and means of unit
    vectors are shorter than 1. So its result is only the start: rows then go to the centroid of largest cosine and
    centroids to the direction of their rows' sum, until nothing moves. At that fixed point
    `assign(embeddings, centroids)` gives the labels back.

    Args:
        embeddings_ND: (N, D), any length but 0.
        k: number of clusters asked for, at least 1.
        generator: one number is drawn from it.

    Raises:
        DataError: no rows, or a row that has no direction (zero or not finite).

    >>> spherical_kmeans(np.array([[1.0, 0], [0, 2], [0, 3]]), 2, np.random.default_rng(0)).labels_N.tolist()
    [1, 0, 0]
    """
    # Scikit-learn takes a second to import, and most commands find no clusters.
    from sklearn.cluster import KMeans

    if k < 1:
        raise ValueError(f"`k` must be at least 1, but is {k}.")
    unit_ND = unit_rows(embeddings_ND).astype(np.float64)
    count = min(k, len(np.unique(unit_ND, axis=0)))
    start = KMeans(n_clusters=count, n_init=10, random_state=int(generator.integers(2**31)))
    labels_N = start.fit_predict(unit_ND)
    for _ in range(_ROUNDS):
        labels_N = _in_order(labels_N)
        centroids_CD = _directions(unit_ND, labels_N)
        moved_N = assign(embeddings_ND, centroids_CD)
        if np.array_equal(moved_N, labels_N):
            break
        labels_N = moved_N
    return Clusters(moved_N, centroids_CD)


def assign(embeddings_ND: np.ndarray, centroids_CD: np.ndarray) -> np.ndarray:
    """Return the centroid of largest cosine for each row, (N,) int64; the first of equal ones."""
    cosine_NC = unit_rows(embeddings_ND).astype(np.float64) @ centroids_CD.T.astype(np.float64)
    labels_N: np.ndarray = np.argmax(cosine_NC, axis=1)
    return labels_N.astype(np.int64)


def unit_rows(embeddings_ND: np.ndarray) -> np.ndarray:
    """Return rows of length 1, float32: the form of the `embedding` signal."""
    if embeddings_ND.ndim != 2 or len(embeddings_ND) == 0:
        raise DataError(f"Embeddings must be a table with at least one row, but their shape is {embeddings_ND.shape}.")
    values_ND = embeddings_ND.astype(np.float64)
    length_N = np.linalg.norm(values_ND, axis=1)
    bad = np.flatnonzero(~(np.isfinite(length_N) & (length_N > 0)))
    if len(bad):
        raise DataError(
            f"Embeddings must be finite and not zero, but row {bad[0]} is not ({len(bad)} rows in all). "
            "Look for empty texts, or for a model that has diverged."
        )
    unit_ND: np.ndarray = values_ND / length_N[:, None]
    return unit_ND.astype(np.float32)


def _directions(unit_ND: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    sums_CD = np.zeros((int(labels_N.max()) + 1, unit_ND.shape[1]))
    np.add.at(sums_CD, labels_N, unit_ND)
    # Rows that cancel exactly have no direction: their cluster keeps that of its first row.
    for cluster in np.flatnonzero(np.linalg.norm(sums_CD, axis=1) < 1e-12):
        sums_CD[cluster] = unit_ND[np.argmax(labels_N == cluster)]
    return unit_rows(sums_CD)


def _in_order(labels_N: np.ndarray) -> np.ndarray:
    """Number clusters by size, then by first example; numbers without examples disappear."""
    names, first, inverse, sizes = np.unique(labels_N, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    number = np.empty(len(names), dtype=np.int64)
    number[order] = np.arange(len(names))
    return number[inverse]
