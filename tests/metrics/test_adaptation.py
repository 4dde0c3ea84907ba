import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.metrics.adaptation import (
    Crossing,
    area_under_curve,
    common_threshold,
    threshold_ratio,
    tokens_to_threshold,
)
from oracles.metric_loops import area, first_crossing

TOKENS = np.array([0.0, 100.0, 400.0])


@st.composite
def curves(draw):
    steps = draw(st.lists(st.integers(1, 500), min_size=1, max_size=6))
    tokens = np.concatenate([[0], np.cumsum(steps)]).astype(float)
    scores = draw(st.lists(st.integers(-200, 1000), min_size=len(tokens), max_size=len(tokens)))
    return tokens, np.array(scores) / 10


def test_area_equals_trapezoids_by_hand():
    # 100 tokens at a mean of 30, 300 tokens at a mean of 60: 21,000 of 40,000
    assert area_under_curve(TOKENS, np.array([20.0, 40.0, 80.0])) == pytest.approx(21_000 / 40_000)


@given(curve=curves())
@settings(max_examples=60)
def test_area_equals_the_loop_and_lies_between_extreme_scores(curve):
    tokens, scores = curve
    value = area_under_curve(tokens, scores)
    assert value == pytest.approx(area(tokens.tolist(), scores.tolist()), abs=1e-9)
    assert scores.min() / 100 - 1e-9 <= value <= scores.max() / 100 + 1e-9


def test_area_of_a_constant_curve_is_its_score_whatever_the_points():
    assert area_under_curve(TOKENS, np.full(3, 70.0)) == pytest.approx(0.7)


def test_a_head_start_counts_because_the_point_at_zero_is_included():
    assert area_under_curve(TOKENS, np.array([50.0, 80, 80])) > area_under_curve(TOKENS, np.array([0.0, 80, 80]))


def test_area_and_crossing_broadcast_over_replicates_and_seeds():
    rng = np.random.default_rng(0)
    tokens = np.stack([TOKENS, 2 * TOKENS])
    scores = rng.uniform(0, 100, (5, 2, 3))
    goal = rng.uniform(30, 70, (5, 2))
    areas, crossing = area_under_curve(tokens, scores), tokens_to_threshold(tokens, scores, goal)
    for b in range(5):
        for z in range(2):
            assert areas[b, z] == area_under_curve(tokens[z], scores[b, z])
            expected = first_crossing(tokens[z], scores[b, z], goal[b, z])
            assert (crossing.tokens[b, z], crossing.censored[b, z]) == pytest.approx(expected)


def test_a_curve_of_one_point_has_no_area():
    assert np.isnan(area_under_curve(np.array([0.0]), np.array([50.0])))


def test_a_missing_score_makes_area_and_crossing_missing_and_not_censored():
    scores = np.array([20.0, np.nan, 80.0])
    assert np.isnan(area_under_curve(TOKENS, scores))
    for goal in (10.0, 50.0, 90.0):
        crossing = tokens_to_threshold(TOKENS, scores, goal)
        assert np.isnan(crossing.tokens)
        assert not crossing.censored


def test_a_missing_threshold_makes_the_crossing_missing():
    crossing = tokens_to_threshold(TOKENS, np.array([20.0, 40, 80]), np.nan)
    assert np.isnan(crossing.tokens)
    assert not crossing.censored


@pytest.mark.parametrize("tokens", [[5.0, 10.0], [0.0, 0.0], [0.0, -3.0], [0.0, float("nan")]])
def test_tokens_that_do_not_rise_from_zero_are_refused(tokens):
    with pytest.raises(ValueError, match="start at 0 and rise"):
        area_under_curve(np.array(tokens), np.array([1.0, 2.0]))


@pytest.mark.parametrize(("tokens", "scores"), [([0.0, 1.0], [1.0]), ([], []), (0.0, 1.0)])
def test_curves_without_matching_points_are_refused(tokens, scores):
    with pytest.raises(ValueError, match="as many scores as token counts"):
        tokens_to_threshold(np.array(tokens), np.array(scores), 1.0)


def test_common_threshold_is_half_way_from_lowest_start_to_best_end():
    curves = [np.array([20.0, 90, 60]), np.array([40.0, 70]), np.array([10.0, 10, 30, 50])]
    assert common_threshold(curves) == (10 + 70) / 2


def test_common_threshold_without_selectors_is_refused():
    with pytest.raises(ValueError, match="at least one selector"):
        common_threshold([])


def test_common_threshold_is_missing_where_a_start_or_end_is():
    assert np.isnan(common_threshold([np.array([20.0, 90]), np.array([np.nan, 70])]))


@pytest.mark.parametrize(
    ("goal", "tokens", "censored"),
    [
        (10.0, 0.0, False),  # above it from the start
        (20.0, 0.0, False),
        (30.0, 50.0, False),  # half-way to the second point
        (40.0, 100.0, False),
        (50.0, 175.0, False),  # a quarter of the second segment
        (80.0, 400.0, False),  # reached with the very last token: not censored
        (80.1, 400.0, True),
    ],
)
def test_crossing_equals_its_value_by_hand(goal, tokens, censored):
    crossing = tokens_to_threshold(TOKENS, np.array([20.0, 40.0, 80.0]), goal)
    assert crossing.tokens == pytest.approx(tokens)
    assert bool(crossing.censored) is censored


def test_the_first_of_several_crossings_counts():
    crossing = tokens_to_threshold(TOKENS, np.array([0.0, 60.0, 0.0]), 30.0)
    assert crossing == (50.0, False)


@given(curve=curves(), goal=st.integers(-200, 1000))
@settings(max_examples=60)
def test_crossing_equals_a_walk_along_the_curve(curve, goal):
    tokens, scores = curve
    assert tokens_to_threshold(tokens, scores, goal / 10) == pytest.approx(first_crossing(tokens, scores, goal / 10))


def crossing(tokens, censored):
    return Crossing(np.array(tokens, dtype=float), np.array(censored))


def test_ratio_is_of_sums_over_stages():
    result = threshold_ratio(crossing([30, 105], [False, False]), crossing([0, 100], [False, False]))
    assert result == (1.35, False, False)


def test_ratio_tells_which_side_was_censored():
    ended, reached = crossing([[10, 50]], [[False, True]]), crossing([[10, 20]], [[False, False]])
    assert threshold_ratio(ended, reached) == (2.0, True, False)
    assert threshold_ratio(reached, ended) == (0.5, False, True)


def test_ratio_to_a_reference_that_needs_no_tokens_is_missing():
    result = threshold_ratio(crossing([5, 5], [False, False]), crossing([0, 0], [False, False]))
    assert np.isnan(result.ratio)


def test_ratio_is_missing_where_a_crossing_is():
    result = threshold_ratio(crossing([5, np.nan], [False, False]), crossing([1, 1], [False, False]))
    assert np.isnan(result.ratio)
