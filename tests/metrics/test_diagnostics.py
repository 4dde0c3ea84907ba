import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from farsighted.metrics.diagnostics import (
    SPIKE_WARMUP,
    adapter_drift,
    capability_entropy,
    count_non_finite,
    count_spikes,
    jaccard,
    neighbour_alignment,
    update_concentration,
)
from oracles.metric_loops import concentration, spikes

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
gradients = shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=st.integers(-5, 5).map(float)))


def test_entropy_equals_its_value_by_hand():
    value = capability_entropy(np.array([2, 2, 5, 9]))
    assert value == pytest.approx(0.5 * math.log(2) + 2 * 0.25 * math.log(4))


def test_entropy_of_equal_shares_is_ln_c_and_of_one_cluster_zero():
    assert capability_entropy(np.repeat(np.arange(8), 3)) == pytest.approx(math.log(8))
    assert capability_entropy(np.full(5, 3)) == 0


def test_weights_count_an_example_as_often_as_they_say():
    weighted = capability_entropy(np.array([0, 1, 0]), np.array([2.0, 3.0, 0.0]))
    assert weighted == pytest.approx(capability_entropy(np.array([0, 0, 1, 1, 1])))


def test_entropy_of_nothing_is_missing():
    assert math.isnan(capability_entropy(np.array([], dtype=int)))
    assert math.isnan(capability_entropy(np.array([1, 2]), np.zeros(2)))


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="one non-negative number per example"):
        capability_entropy(np.array([0, 1]), np.array(weights))


@given(cluster=hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 7)), data=st.data())
@settings(max_examples=60)
def test_entropy_is_at_most_ln_c_and_blind_to_order_and_names(cluster, data):
    value = capability_entropy(cluster)
    order = np.array(data.draw(st.permutations(range(len(cluster)))))
    assert -1e-12 <= value <= math.log(len(np.unique(cluster))) + 1e-12
    assert capability_entropy(100 - 7 * cluster[order]) == pytest.approx(value)


def test_concentration_equals_its_value_by_hand():
    # second moment diag(9, 1)/2: the larger share is 9/10, before and after the gradients are negated
    assert update_concentration(np.array([[3.0, 0.0], [0.0, -1.0]])) == pytest.approx(0.9)


def test_concentration_is_not_centred():
    # identical gradients have no variance, yet all their second moment in one direction
    assert update_concentration(np.tile([1.0, 2.0, 3.0], (4, 1))) == pytest.approx(1.0)


def test_concentration_divides_by_the_number_of_examples_before_epsilon_is_added():
    # two gradients of squared norm 1 in one direction: moment 1, so 1 / (1 + eps)
    assert update_concentration(np.array([[1.0], [1.0]]), eps=0.25) == pytest.approx(0.8)


@given(gradient=gradients)
@settings(max_examples=60)
def test_concentration_equals_equation_four_from_outer_products_and_keeps_its_range(gradient):
    value = update_concentration(gradient)
    assert value == pytest.approx(concentration(gradient.tolist(), 1e-12), abs=1e-9)
    if gradient.any():
        assert 1 / min(gradient.shape) - 1e-9 <= value <= 1 + 1e-9


def test_concentration_is_blind_to_rotation():
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(20, 5))
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert update_concentration(gradient @ rotation) == pytest.approx(update_concentration(gradient))


def test_concentration_of_zero_gradients_is_zero_by_epsilon():
    assert update_concentration(np.zeros((3, 4))) == 0


@pytest.mark.parametrize("gradient", [np.zeros((0, 4)), np.array([[1.0, np.nan]]), np.array([[np.inf, 1.0]])])
def test_concentration_without_finite_gradients_is_missing(gradient):
    assert math.isnan(update_concentration(gradient))


def test_concentration_of_a_flat_array_is_refused():
    with pytest.raises(ValueError, match="examples, width"):
        update_concentration(np.zeros(4))


@pytest.mark.parametrize(
    ("step", "total", "expected"),
    [([1.0, 2.0], [2.0, 4.0], 0.0), ([1.0, 0.0], [0.0, 3.0], 1.0), ([1.0, 1.0], [-2.0, -2.0], 2.0)],
)
def test_drift_is_zero_along_one_across_and_two_against(step, total, expected):
    step, total = np.array(step), np.array(total)
    assert adapter_drift(step @ total, step @ step, total @ total) == pytest.approx(expected, abs=1e-12)


def test_drift_never_leaves_its_range_by_rounding():
    vector = np.full(3, 0.1)
    assert adapter_drift(vector @ vector * (1 + 1e-15), vector @ vector, vector @ vector) == 0


@pytest.mark.parametrize("norms", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_drift_without_a_direction_is_missing(norms):
    assert math.isnan(adapter_drift(0.0, *norms))


@pytest.mark.parametrize(
    ("a", "b", "expected"), [("xyz", "yzw", 0.5), ("xy", "xy", 1.0), ("x", "y", 0.0), ("", "x", 0.0), ("xx", "x", 1.0)]
)
def test_jaccard_equals_its_value_by_hand(a, b, expected):
    assert jaccard(a, b) == jaccard(b, a) == expected


def test_jaccard_of_two_empty_selections_is_missing():
    assert math.isnan(jaccard([], []))


def test_one_jump_in_a_steady_series_is_one_spike():
    assert count_spikes([1.0] * SPIKE_WARMUP + [3.1] + [1.0] * 10) == 1


def test_a_value_at_exactly_the_factor_is_no_spike():
    assert count_spikes([1.0] * SPIKE_WARMUP + [3.0]) == 0


def test_nothing_is_a_spike_before_the_warm_up():
    assert count_spikes([1.0] * (SPIKE_WARMUP - 1) + [100.0]) == 0


def test_a_lasting_rise_is_counted_until_it_fills_half_the_window():
    # of the last 8 values, 4 high ones put the median at (1 + 9) / 2 = 5, and 9 < 3 * 5
    assert count_spikes([1.0] * 20 + [9.0] * 20, window=8) == 4


def test_non_finite_values_are_not_spikes_and_do_not_disturb_the_median():
    values = [1.0, math.nan, 1.0, math.inf, 1.0, 1.0, 1.0, math.inf, 9.0]
    assert count_spikes(values) == 1
    assert count_non_finite(values) == 3


@given(
    values=st.lists(st.sampled_from([0.5, 1.0, 2.0, 4.0, 9.0, math.nan, math.inf]), max_size=40),
    window=st.integers(5, 12),
)
@settings(max_examples=60)
def test_spikes_equal_the_definition_looked_up_afresh(values, window):
    assert count_spikes(values, window=window) == len(spikes(values, 3.0, window, SPIKE_WARMUP))


def test_nothing_to_count_is_zero():
    assert count_spikes([]) == count_non_finite([]) == 0


def test_pools_of_the_same_mixture_are_fully_aligned_whatever_their_size():
    assert neighbour_alignment(np.array([[1, 2, 3], [10, 20, 30], [2, 4, 6]])) == pytest.approx(1)


def test_pools_that_share_no_cluster_are_not_aligned():
    assert neighbour_alignment(np.array([[5, 0], [0, 5], [3, 0]])) == 0


def test_alignment_is_of_neighbours_so_the_order_of_stages_counts():
    a, b, c = [1, 0, 0], [0, 1, 0], [1, 1, 0]
    assert neighbour_alignment(np.array([a, b, c])) < neighbour_alignment(np.array([a, c, b]))


@pytest.mark.parametrize("counts", [[[1, 2]], [[1, 2], [0, 0]]])
def test_without_neighbours_or_candidates_there_is_no_alignment(counts):
    assert math.isnan(neighbour_alignment(np.array(counts)))
