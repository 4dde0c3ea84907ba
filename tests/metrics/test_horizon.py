import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from farsighted.core.errors import ConfigError
from farsighted.metrics.horizon import HorizonWeights, ULongWeights, long_horizon_score, myopia_gap, u_long
from oracles.metric_loops import myopia

scores = st.integers(0, 6).map(float)  # few values, so that ties occur


@st.composite
def pairs(draw):
    shape = (draw(st.integers(2, 6)), draw(st.integers(1, 3)))
    return draw(hnp.arrays(np.float64, shape, elements=scores)), draw(hnp.arrays(np.float64, shape, elements=scores))


def test_long_horizon_score_is_the_mean_of_its_four_parts():
    value = long_horizon_score(60.0, 0.5, 10.0, 40.0, HorizonWeights())
    assert value == pytest.approx((0.6 + 0.5 + 0.9 + 0.4) / 4)


def test_weights_weigh_the_four_parts():
    value = long_horizon_score(60.0, 0.5, 10.0, 40.0, HorizonWeights(1, 2, 3, 4))
    assert value == pytest.approx((0.6 + 2 * 0.5 + 3 * 0.9 + 4 * 0.4) / 10)


def test_a_part_of_weight_zero_may_be_missing_but_no_other():
    nan = float("nan")
    assert long_horizon_score(60.0, 0.5, 10.0, nan, HorizonWeights(ood=0)) == pytest.approx((0.6 + 0.5 + 0.9) / 3)
    for position in range(4):
        parts = [60.0, 0.5, 10.0, 40.0]
        parts[position] = nan
        assert np.isnan(long_horizon_score(*parts, HorizonWeights()))


def test_long_horizon_score_takes_replicates():
    value = long_horizon_score(np.array([60.0, 70.0]), np.array([0.5, 0.5]), 10.0, 40.0, HorizonWeights())
    np.testing.assert_allclose(value, [0.6, 0.625])


@pytest.mark.parametrize("weights", [(0, 0, 0, 0), (-1, 1, 1, 1), (float("nan"), 1, 1, 1), (float("inf"), 1, 1, 1)])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ConfigError, match="long_horizon"):
        HorizonWeights(*weights)


def test_u_long_equals_equation_two_by_hand():
    final, areas, drops = np.array([50.0, 90.0, 85.0]), np.array([0.5, 0.25]), np.array([20.0, 5.0, 0.0])
    assert u_long(final, areas, drops, 40.0, ULongWeights()) == pytest.approx(2.25 + 0.75 - 0.25 + 0.4)
    assert u_long(final, areas, drops, 40.0, ULongWeights(2, 4, 0.5)) == pytest.approx(2.25 + 1.5 - 1.0 + 0.2)


def test_u_long_of_one_stage_has_no_future_and_no_forgetting():
    assert u_long(np.array([50.0]), np.array([]), np.array([0.0]), 40.0, ULongWeights()) == pytest.approx(0.9)


def test_u_long_takes_replicates_and_passes_on_what_is_missing():
    final = np.array([[50.0, 90.0], [50.0, np.nan]])
    value = u_long(final, np.full((2, 1), 0.5), np.zeros((2, 2)), np.array([40.0, 40.0]), ULongWeights())
    np.testing.assert_allclose(value, [1.4 + 0.5 + 0.4, np.nan])
    assert np.isnan(u_long(final[0], np.array([0.5]), np.zeros(2), np.nan, ULongWeights()))
    assert u_long(final[0], np.array([0.5]), np.zeros(2), np.nan, ULongWeights(gamma=0)) == pytest.approx(1.9)


def test_gap_of_the_papers_means_is_what_the_definition_says():
    # Table 1 Current and Table 3 at 25 %: random, loss, gradient, diversity, quality, utility-diversity, LHAS
    current = np.array([[58.2], [61.9], [62.4], [59.5], [61.1], [62.0], [61.4]])
    long = np.array([[0.59], [0.51], [0.50], [0.62], [0.54], [0.64], [0.69]])
    gap = myopia_gap(current, long)
    np.testing.assert_allclose(gap.contribution_K, [0.5, 0.5, 1.0, 0.5, 0, 0, 0.5])
    np.testing.assert_allclose(gap.signed_K, [-0.5, 0.5, 1.0, -0.5, 0, 0, -0.5])
    assert gap.family == pytest.approx(3 / 7)


def test_gap_of_two_seeds_averages_the_seeds_and_not_the_scores():
    # seed 1: full agreement; seed 2: the three selectors reversed, so contributions 1, 0, 1
    immediate = np.array([[3.0, 300.0], [2.0, 200.0], [1.0, 100.0]])
    long = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    gap = myopia_gap(immediate, long)
    np.testing.assert_allclose(gap.contribution_K, [0.5, 0, 0.5])
    np.testing.assert_allclose(gap.signed_K, [0.5, 0, -0.5])
    np.testing.assert_allclose(gap.rank_immediate_K, [1, 2, 3])
    np.testing.assert_allclose(gap.rank_long_K, [2, 2, 2])


def test_ties_share_their_mean_rank():
    gap = myopia_gap(np.array([[5.0], [5.0], [1.0]]), np.array([[9.0], [8.0], [7.0]]))
    np.testing.assert_allclose(gap.rank_immediate_K, [1.5, 1.5, 3])
    np.testing.assert_allclose(gap.signed_K, [-0.25, 0.25, 0])


@given(pair=pairs())
@settings(max_examples=60)
def test_gap_equals_ranks_by_counting(pair):
    immediate, long = pair
    family, contribution, signed = myopia(immediate.tolist(), long.tolist())
    gap = myopia_gap(immediate, long)
    assert gap.family == pytest.approx(family)
    np.testing.assert_allclose(gap.contribution_K, contribution, atol=1e-12)
    np.testing.assert_allclose(gap.signed_K, signed, atol=1e-12)


@given(pair=pairs(), data=st.data())
@settings(max_examples=60)
def test_gap_follows_the_selectors_when_they_change_places(pair, data):
    immediate, long = pair
    order = data.draw(st.permutations(range(len(immediate))))
    gap, moved = myopia_gap(immediate, long), myopia_gap(immediate[order], long[order])
    np.testing.assert_allclose(moved.signed_K, gap.signed_K[order])
    assert moved.family == pytest.approx(gap.family)


@given(pair=pairs())
@settings(max_examples=60)
def test_signed_gaps_cancel_and_are_bounded_by_contributions(pair):
    gap = myopia_gap(*pair)
    assert gap.signed_K.sum() == pytest.approx(0, abs=1e-9)
    assert (np.abs(gap.signed_K) <= gap.contribution_K + 1e-12).all()
    assert (gap.contribution_K <= 1 + 1e-12).all()


def test_one_selector_has_ranks_but_no_gap():
    gap = myopia_gap(np.array([[5.0, 6.0]]), np.array([[0.5, 0.6]]))
    assert np.isnan([gap.family, gap.contribution_K[0], gap.signed_K[0]]).all()
    assert gap.rank_long_K == 1


def test_a_missing_score_leaves_the_gap_missing():
    gap = myopia_gap(np.array([[5.0, 6.0], [4.0, np.nan]]), np.array([[0.5, 0.6], [0.4, 0.3]]))
    assert np.isnan(gap.family)
    assert np.isnan(gap.contribution_K).all()


def test_gap_takes_replicates():
    rng = np.random.default_rng(0)
    immediate, long = rng.integers(0, 5, (2, 6, 4, 3)).astype(float)
    gap = myopia_gap(immediate, long)
    each = [myopia_gap(immediate[b], long[b]).family for b in range(6)]
    np.testing.assert_allclose(gap.family, each)
    assert gap.signed_K.shape == (6, 4)


@pytest.mark.parametrize(("first", "second"), [((2, 3), (3, 2)), ((0, 3), (0, 3)), ((3,), (3,)), ((2, 0), (2, 0))])
def test_scores_of_other_shapes_are_refused(first, second):
    with pytest.raises(ValueError, match="same shape"):
        myopia_gap(np.zeros(first), np.zeros(second))
