import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.sets.clusters import assign, spherical_kmeans, unit_rows


def bundles(sizes, seed=0):
    """Rows near the axes of R^3: `sizes[c]` rows along axis c, of all lengths."""
    generator = np.random.default_rng(seed)
    axes = np.repeat(np.eye(3)[: len(sizes)], sizes, axis=0)
    rows = (axes + 0.05 * generator.normal(size=axes.shape)) * generator.uniform(0.1, 10, size=(len(axes), 1))
    order = generator.permutation(len(rows))
    return rows[order], np.repeat(np.arange(len(sizes)), sizes)[order]


def test_directions_are_found_whatever_the_lengths_and_larger_clusters_come_first():
    rows, truth = bundles([5, 20, 10])
    found = spherical_kmeans(rows, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(found.labels_N, np.array([2, 0, 1])[truth])
    np.testing.assert_allclose(np.linalg.norm(found.centroids_CD, axis=1), 1, rtol=1e-6)


def test_equal_sizes_are_ordered_by_their_first_example():
    rows, truth = bundles([6, 6, 6])
    labels = spherical_kmeans(rows, 3, np.random.default_rng(0)).labels_N
    first = [int(np.argmax(labels == cluster)) for cluster in range(3)]
    assert first == sorted(first)
    assert len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == 3


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 9))
def test_assigning_the_same_rows_gives_the_labels_back(count, k, seed):
    rows = np.random.default_rng(seed).normal(size=(count, 4))
    found = spherical_kmeans(rows, k, np.random.default_rng(seed))
    np.testing.assert_array_equal(assign(rows, found.centroids_CD), found.labels_N)
    assert len(found.centroids_CD) <= min(k, count)


def test_each_row_is_nearest_by_cosine_to_the_direction_of_its_own_cluster():
    rows = unit_rows(np.random.default_rng(3).normal(size=(60, 5)))
    found = spherical_kmeans(rows, 6, np.random.default_rng(0))
    for cluster in range(6):
        total = rows[found.labels_N == cluster].sum(axis=0)
        np.testing.assert_allclose(found.centroids_CD[cluster], total / np.linalg.norm(total), atol=1e-5)
        own = rows[found.labels_N == cluster] @ found.centroids_CD.T
        assert (own.argmax(axis=1) == cluster).all()


def test_more_clusters_than_distinct_directions_gives_one_each():
    rows = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 4.0], [0.0, 2.0]])
    assert spherical_kmeans(rows, 8, np.random.default_rng(0)).labels_N.tolist() == [1, 1, 0, 0, 0]


def test_the_generator_alone_decides():
    rows = np.random.default_rng(0).normal(size=(50, 4))
    pair = [spherical_kmeans(rows, 5, np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(pair[0].centroids_CD, pair[1].centroids_CD)


def test_opposite_rows_in_one_cluster_still_have_a_direction():
    found = spherical_kmeans(np.array([[1.0, 0.0], [-1.0, 0.0]]), 1, np.random.default_rng(0))
    assert found.centroids_CD.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.array([[1.0, 0], [0, 0]]), np.array([[1.0, 0], [np.nan, 0]])])
def test_rows_without_direction_are_refused(rows):
    with pytest.raises(DataError, match="Embeddings must be"):
        spherical_kmeans(rows, 2, np.random.default_rng(0))


def test_no_cluster_at_all_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        spherical_kmeans(np.eye(3), 0, np.random.default_rng(0))
