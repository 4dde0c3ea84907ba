import numpy as np
import pytest

from farsighted.sets.history import Centroids, Directions, overshare, turned, widened, with_gradients, with_points
from oracles import selector_loops as loops

NO_CENTROIDS = Centroids(np.empty((0, 0)), np.empty(0, dtype=np.int64))
NO_DIRECTIONS = Directions(np.empty(0), np.empty((0, 0)))


def rows(seed, count, width=5):
    return np.random.default_rng(seed).normal(size=(count, width))


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_online_k_means_equals_the_means_of_its_members(limit):
    points = np.vstack([rows(0, 12), rows(0, 3)])  # three of them twice
    mean, picks = with_points(NO_CENTROIDS, points, limit)
    expected_mean, expected_picks = loops.online_k_means(points, limit)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    assert picks.tolist() == expected_picks


def test_a_repeated_point_opens_no_second_centroid():
    mean, picks = with_points(NO_CENTROIDS, np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 10)
    assert mean.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert picks.tolist() == [2, 1]


@pytest.mark.parametrize("split", [0, 1, 5, 9])
def test_centroids_and_directions_do_not_depend_on_how_picks_are_grouped(split):
    points = rows(1, 9)
    once, twice = with_points(NO_CENTROIDS, points, 4), with_points(NO_CENTROIDS, points[:split], 4)
    for one, other in zip(once, with_points(twice, points[split:], 4), strict=True):
        np.testing.assert_array_equal(one, other)
    parts = with_gradients(with_gradients(NO_DIRECTIONS, points[:split], 3), points[split:], 3)
    for one, other in zip(with_gradients(NO_DIRECTIONS, points, 3), parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_directions_are_the_exact_eigenvectors_while_they_fit():
    gradients = rows(2, 30)  # 30 gradients in 5 dimensions, 5 directions kept
    value, basis = with_gradients(NO_DIRECTIONS, gradients, 5)
    exact = np.linalg.eigvalsh(gradients.T @ gradients)[::-1]
    np.testing.assert_allclose(value**2, exact, rtol=1e-9)
    np.testing.assert_allclose(np.abs(basis @ loops.strongest_directions(gradients, 5).T), np.eye(5), atol=1e-9)


def test_a_buffer_of_directions_finds_the_strongest_ones_of_a_long_history():
    # 8 strong directions among 64, spectrum falling by 0.5; 16 kept: the top 8 are found although the rest is cut.
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    gradients = (rng.normal(size=(400, 64)) * 0.5 ** np.arange(64)) @ turn
    basis = with_gradients(NO_DIRECTIONS, gradients, 16).basis[:8]
    overlap = np.linalg.svd(basis @ loops.strongest_directions(gradients, 8).T, compute_uv=False)
    assert overlap.min() > 0.9999


def test_the_basis_stays_orthonormal_over_many_updates():
    basis = with_gradients(NO_DIRECTIONS, rows(4, 500, 20), 6).basis
    np.testing.assert_allclose(basis @ basis.T, np.eye(6), atol=1e-12)


def test_repeated_and_vanishing_gradients_add_no_direction():
    one = np.array([3.0, 4.0])
    value, basis = with_gradients(NO_DIRECTIONS, np.array([one, one * (1 + 1e-8), 0 * one, -2 * one]), 4)
    np.testing.assert_allclose(value, [np.sqrt(25 * 6)], rtol=1e-6)
    np.testing.assert_allclose(np.abs(basis), [[0.6, 0.8]], rtol=1e-9)
    assert len(with_gradients(NO_DIRECTIONS, np.zeros((2, 3)), 4).value) == 0


def test_a_gradient_of_rounding_length_outside_the_basis_turns_nothing_new_in():
    value, rotation = turned(np.array([2.0]), np.array([1.0]), 1e-9, 4)
    np.testing.assert_allclose(value, [np.sqrt(5.0)], rtol=1e-12)
    assert rotation.shape == (1, 2)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 0], [0.0, 0.0]),  # nothing selected
        ([5], [0.0]),  # one cluster only
        ([1, 1, 1], [0.0, 0.0, 0.0]),  # uniform
        ([4, 0], [1.0, 0.0]),  # everything in one
        ([3, 1], [0.5, 0.0]),  # (3/4 - 1/2) / (1/2)
    ],
)
def test_overshare_is_linear_from_uniform_to_all(counts, expected):
    np.testing.assert_allclose(overshare(np.array(counts)), expected, atol=1e-15)


def test_widening_copies_the_counts():
    counts = np.array([1, 2])
    wide = widened(counts, 4)
    wide[0] = 9
    assert wide.tolist() == [9, 2, 0, 0]
    assert counts.tolist() == [1, 2]
