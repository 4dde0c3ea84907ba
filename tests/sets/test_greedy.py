import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from farsighted.sets.greedy import farthest_first, rank01
from oracles import selector_loops as loops

NOTHING = np.empty((0, 0))


def points(seed, count=11, width=3):
    return np.random.default_rng(seed).normal(size=(count, width))


@pytest.mark.parametrize("seed", range(4))
def test_farthest_first_equals_measuring_everything_every_time(seed):
    candidates = points(seed)
    for history in (points(seed + 10, 4), NOTHING):
        order, distance = farthest_first(candidates, history)
        expected_order, expected_distance = loops.farthest_first(candidates, history)
        assert order.tolist() == expected_order
        np.testing.assert_allclose(distance, expected_distance, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_every_prefix_covers_within_twice_the_best_radius(seed):
    # Gonzalez 1985: farthest-first is a 2-approximation of the k-center problem, whatever its start.
    candidates = points(seed, 9, 2)
    order = farthest_first(candidates, NOTHING).order
    for size in (1, 2, 3):
        radius = loops.cover_radius(candidates, order[:size])
        assert radius <= 2 * loops.best_cover_radius(candidates, size) + 1e-12


def test_distances_never_increase_along_the_order():
    for history in (points(7, 2), NOTHING):
        order, distance = farthest_first(points(3, 40), history)
        assert np.all(np.diff(distance[order]) <= 1e-12)


def test_equal_points_are_picked_last_by_row():
    candidates = np.array([[1.0, 0.0], [5.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    order, distance = farthest_first(candidates, np.array([[0.0, 0.0]]))
    assert order.tolist() == [1, 0, 2, 3]
    assert distance.tolist() == [1.0, 5.0, 0.0, 0.0]


def test_without_history_the_start_is_the_point_farthest_from_the_mean():
    # The mean is 3; 10 is 7 away and comes first, then 0 is farthest from it.
    order, distance = farthest_first(np.array([[0.0], [1.0], [1.0], [10.0]]), NOTHING)
    assert order.tolist() == [3, 0, 1, 2]
    assert distance.tolist() == [10.0, 1.0, 0.0, 10.0]


def test_a_single_point_is_picked_at_distance_zero():
    traversal = farthest_first(np.array([[2.0]]), NOTHING)
    assert (traversal.order.tolist(), traversal.distance_at_pick.tolist()) == ([0], [0.0])


@settings(max_examples=60)
@given(arrays(np.float64, st.integers(2, 12), elements=st.integers(-3, 3).map(float)))
def test_rank01_is_the_mean_rank_rescaled(values):
    expected = (rankdata(values) - 1) / (len(values) - 1)
    np.testing.assert_allclose(rank01(values), expected, rtol=1e-12)
    np.testing.assert_allclose(rank01(values), loops.rank01(list(values)), rtol=1e-12)


def test_the_rank_of_a_single_value_is_one_half():
    assert rank01(np.array([9.0])).tolist() == [0.5]
