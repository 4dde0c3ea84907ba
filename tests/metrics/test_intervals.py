import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from farsighted.metrics import matrix
from farsighted.metrics.intervals import (
    Precision,
    draw_resamples,
    ends_at,
    interval,
    matrix_replicates,
    paired_difference,
    power,
    set_means,
    summarise,
    two_sided_p,
)
from oracles.metric_loops import all_two_way_means

NAN = float("nan")


def replicates_of_mean(scores_ZI, resamples, seed=0):
    resample = draw_resamples(np.random.default_rng(seed), resamples, scores_ZI.shape[0], {"v": scores_ZI.shape[1]})
    return set_means(scores_ZI, resample.weights["v"], resample.seed_index).mean(axis=1)


def test_equal_generators_give_equal_draws_whatever_the_order_of_the_sets():
    first = draw_resamples(np.random.default_rng(3), 20, 4, {"math": 7, "code": 5})
    second = draw_resamples(np.random.default_rng(3), 20, 4, {"code": 5, "math": 7})
    np.testing.assert_array_equal(first.seed_index, second.seed_index)
    for name in ("math", "code"):
        np.testing.assert_array_equal(first.weights[name], second.weights[name])


def test_draws_have_their_shapes_and_weights_are_whole_counts_that_sum_to_one():
    resample = draw_resamples(np.random.default_rng(0), 50, 3, {"v": 8})
    assert resample.seed_index.shape == (50, 3)
    assert set(np.unique(resample.seed_index)) == {0, 1, 2}
    weights = resample.weights["v"]
    assert weights.shape == (50, 8)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights * 8, np.round(weights * 8))


@pytest.mark.parametrize(("resamples", "seeds", "items"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_draws_from_nothing_are_refused(resamples, seeds, items):
    with pytest.raises(ValueError, match="at least one"):
        draw_resamples(np.random.default_rng(0), resamples, seeds, {"v": items})


def test_set_means_equal_the_mean_over_the_items_that_were_drawn():
    rng = np.random.default_rng(1)
    scores = rng.uniform(0, 100, (3, 4, 2, 6))
    resample = draw_resamples(rng, 5, 3, {"v": 6})
    means = set_means(scores, resample.weights["v"], resample.seed_index)
    assert means.shape == (5, 3, 4, 2)
    for b in range(5):
        drawn = np.repeat(np.arange(6), np.round(resample.weights["v"][b] * 6).astype(int))
        for z, seed in enumerate(resample.seed_index[b]):
            np.testing.assert_allclose(means[b, z], scores[seed][..., drawn].mean(axis=-1))


def test_a_missing_item_makes_its_own_mean_missing_and_no_other():
    scores = np.full((2, 3, 4), 50.0)
    scores[1, 2, 0] = np.nan
    resample = draw_resamples(np.random.default_rng(0), 30, 2, {"v": 4})
    means = set_means(scores, resample.weights["v"], resample.seed_index)
    missing = np.zeros((30, 2, 3), dtype=bool)
    missing[..., 2] = resample.seed_index == 1
    np.testing.assert_array_equal(np.isnan(means), missing)


def test_matrix_replicates_put_each_set_into_its_column():
    rng = np.random.default_rng(2)
    columns = [rng.uniform(0, 100, (2, 3, items)) for items in (5, 7)]
    resample = draw_resamples(rng, 6, 2, {"code": 7, "math": 5})
    replicates = matrix_replicates(columns, ["math", "code"], resample)
    assert replicates.shape == (6, 2, 3, 2)
    expected = set_means(columns[1], resample.weights["code"], resample.seed_index)
    np.testing.assert_array_equal(replicates[..., 1], expected)
    assert matrix.forgetting(replicates).shape == (6, 2)


def test_draws_of_one_kind_only_leave_the_other_kind_as_it_was():
    scores = np.random.default_rng(3).uniform(0, 100, (3, 9))
    resample = draw_resamples(np.random.default_rng(4), 40, 3, {"v": 9})
    items, seeds = resample.items_only(), resample.seeds_only()
    np.testing.assert_allclose(
        set_means(scores, items.weights["v"], items.seed_index), resample.weights["v"] @ scores.T
    )
    seed_means = set_means(scores, seeds.weights["v"], seeds.seed_index)
    np.testing.assert_allclose(seed_means, scores.mean(axis=1)[resample.seed_index])


def test_two_way_replicates_have_the_moments_of_all_possible_draws():
    scores = np.array([[0.0, 10.0, 40.0], [20.0, 70.0, 90.0]])
    every = np.array(all_two_way_means(scores.tolist()))
    replicates = replicates_of_mean(scores, 40_000)
    assert replicates.mean() == pytest.approx(every.mean(), abs=5 * every.std() / 200)
    assert replicates.std() == pytest.approx(every.std(), rel=0.03)
    for share in (0.1, 0.5, 0.9):
        assert np.mean(replicates <= np.quantile(every, share) + 1e-9) == pytest.approx(
            np.mean(every <= np.quantile(every, share) + 1e-9), abs=0.02
        )


@pytest.mark.parametrize("shape", [(1, 40), (40, 1)], ids=["one seed", "one item"])
def test_interval_on_one_axis_agrees_with_scipy(shape):
    scores = np.random.default_rng(5).normal(60, 15, shape)
    ours = interval(replicates_of_mean(scores, 20_000))
    rng = np.random.default_rng(6)
    theirs = stats.bootstrap((scores.ravel(),), np.mean, n_resamples=20_000, method="percentile", rng=rng)
    # both ends carry Monte Carlo error of about 1 % of the standard error, 15 / sqrt(40) = 2.4
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.2)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.2)


def coverage(seeds, items, spread, runs=250):
    """Share of simulated audits whose 95 % interval holds the true mean, 50."""
    rng, hits = np.random.default_rng(7), 0
    for run in range(runs):
        of_seed = spread[0] * rng.normal(size=(seeds, 1))
        of_item = spread[1] * rng.normal(size=(1, items))
        scores = 50 + of_seed + of_item + spread[2] * rng.normal(size=(seeds, items))
        bounds = interval(replicates_of_mean(scores, 300, seed=run))
        hits += bounds.low <= 50 <= bounds.high
    return hits / runs


def test_interval_covers_the_truth_when_items_and_seeds_both_vary():
    assert 0.90 <= coverage(seeds=10, items=60, spread=(1.0, 5.0, 5.0)) <= 0.99


def test_interval_errs_wide_when_only_the_interaction_varies():
    assert coverage(seeds=5, items=40, spread=(0.0, 0.0, 10.0)) >= 0.97


def test_interval_of_three_seeds_is_their_range_when_nothing_else_varies():
    # a resample repeats one seed three times with probability 1/27 > 2.5 %
    bounds = interval(replicates_of_mean(np.array([[10.0], [20.0], [60.0]]), 5000))
    assert (bounds.low, bounds.high) == pytest.approx((10, 60))


def test_interval_takes_equal_tails():
    bounds = interval(np.arange(101.0), confidence=0.9)
    assert (bounds.low, bounds.high) == pytest.approx((5, 95))


def test_interval_of_replicates_with_a_missing_one_is_missing():
    bounds = interval(np.array([1.0, NAN, 2.0]))
    assert math.isnan(bounds.low)
    assert math.isnan(bounds.high)


def test_summary_gives_mean_sample_sd_and_number_of_seeds():
    summary = summarise(np.array([1.0, 2.0, 6.0]), np.arange(101.0), confidence=0.9)
    assert (summary.mean, summary.n) == (3.0, 3)
    assert summary.sd == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert (summary.low, summary.high) == pytest.approx((5, 95))


def test_one_seed_has_no_standard_deviation():
    summary = summarise(np.array([4.0]), np.array([3.0, 5.0]))
    assert math.isnan(summary.sd)
    assert (summary.mean, summary.n) == (4.0, 1)


def test_a_constant_advantage_has_an_interval_of_no_width_because_draws_are_paired():
    scores = np.random.default_rng(8).uniform(0, 80, (3, 20))
    resample = draw_resamples(np.random.default_rng(9), 200, 3, {"v": 20})
    worse, better = (
        set_means(s, resample.weights["v"], resample.seed_index).mean(axis=1) for s in (scores, scores + 7)
    )
    difference = paired_difference((scores + 7).mean(axis=1), scores.mean(axis=1), better, worse)
    assert (difference.mean, difference.low, difference.high) == pytest.approx((7, 7, 7))
    assert interval(better).high - interval(better).low > 5


def slow_p(replicates):
    """Twice the smaller count on either side of 0, one added for the difference that was measured."""
    below = sum(1 for one in replicates if one <= 0)
    above = sum(1 for one in replicates if one >= 0)
    return min(1.0, 2 * (min(below, above) + 1) / (len(replicates) + 1))


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=60))
def test_a_p_value_equals_its_count_by_hand(replicates):
    assert two_sided_p(np.array(replicates, dtype=float)) == pytest.approx(slow_p(replicates))


def test_a_p_value_is_never_zero_and_unknown_where_a_replicate_is():
    assert two_sided_p(np.full(99, 4.0)) == pytest.approx(2 / 100)
    assert two_sided_p(np.zeros(99)) == 1
    assert math.isnan(two_sided_p(np.array([1.0, NAN])))


@given(st.lists(st.integers(-3, 9), min_size=40, max_size=120), st.sampled_from([0.05, 0.1, 0.3, 0.5]))
def test_an_interval_excludes_zero_exactly_where_the_p_value_is_at_most_its_level(replicates, level):
    values = np.array(replicates, dtype=float)
    assume(level * (len(values) + 1) / 2 >= 1)  # else the level needs more replicates
    ends = ends_at(values, level, level)
    assert (ends.low > 0 or ends.high < 0) == (slow_p(replicates) <= level)


def test_each_end_has_its_own_level():
    # 199 replicates, 1 to 199: of 0.05 the 5th from outside, of 0.2 the 20th
    ends = ends_at(np.arange(1.0, 200.0), 0.05, 0.2)
    assert (ends.low, ends.high) == (5, 180)


def test_a_level_that_the_resamples_cannot_show_gives_the_extremes():
    ends = ends_at(np.array([3.0, 1.0, 2.0]), 0.05, 0.05)
    assert (ends.low, ends.high) == (1, 3)


def test_a_vectorised_bootstrap_agrees_with_a_slow_one():
    rng = np.random.default_rng(11)
    own, other = rng.normal(52, 10, (3, 30)), rng.normal(50, 10, (3, 30))
    resample = draw_resamples(np.random.default_rng(12), 4000, 3, {"v": 30})
    fast = [set_means(scores, resample.weights["v"], resample.seed_index).mean(axis=1) for scores in (own, other)]
    found = ends_at(fast[0] - fast[1], 0.05, 0.05)
    slow_rng, slow = np.random.default_rng(13), []
    for _ in range(4000):
        seeds, items = slow_rng.integers(3, size=3).tolist(), slow_rng.integers(30, size=30).tolist()
        slow.append(sum(float(own[z, i] - other[z, i]) for z in seeds for i in items) / 90)
    slow.sort()
    # both ends carry Monte Carlo error of about 3 % of the standard error, sqrt(2 * 100 / 30) = 2.6
    assert (found.low, found.high) == pytest.approx((slow[99], slow[-100]), abs=0.35)


def test_power_equals_its_value_by_hand():
    # z = 1.95996 + 0.84162, so f = 2.80159^2 * (0.3^2 + 0.4^2) / 1^2 = 1.96222
    plan = power(1.0, Precision(items=100, seeds=3, se_items=0.3, se_seeds=0.4))
    assert plan.growth == pytest.approx(1.96222, abs=1e-4)
    assert (plan.items, plan.seeds, plan.resolvable) == (197, 6, True)


def test_the_present_design_is_enough_for_a_large_difference():
    plan = power(-5.0, Precision(items=100, seeds=3, se_items=0.3, se_seeds=0.4))
    assert (plan.items, plan.seeds, plan.growth, plan.resolvable) == (100, 3, 1.0, True)


def test_no_design_resolves_a_difference_of_nothing():
    plan = power(0.0, Precision(items=100, seeds=3, se_items=0.3, se_seeds=0.4))
    assert (plan.items, plan.seeds, plan.growth, plan.resolvable) == (None, None, math.inf, False)


@pytest.mark.parametrize(("difference", "errors"), [(NAN, (0.3, 0.4)), (1.0, (NAN, 0.4)), (1.0, (0.3, NAN))])
def test_power_is_unknown_where_a_standard_error_is(difference, errors):
    plan = power(difference, Precision(100, 1, *errors))
    assert math.isnan(plan.growth)
    assert not plan.resolvable
    assert plan.items is None


@given(difference=st.floats(0.01, 10), se_items=st.floats(0.01, 5), se_seeds=st.floats(0, 5))
@settings(max_examples=60)
def test_the_planned_design_resolves_the_difference_and_a_smaller_factor_does_not(difference, se_items, se_seeds):
    plan = power(difference, Precision(50, 3, se_items, se_seeds))
    needed = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)

    def standard_errors(items, seeds):
        return difference / math.sqrt(se_items**2 * 50 / items + se_seeds**2 * 3 / seeds)

    assert standard_errors(plan.items, plan.seeds) >= needed * (1 - 1e-8)
    if plan.growth > 1:
        assert standard_errors(50 * plan.growth * 0.999, 3 * plan.growth * 0.999) < needed


def test_a_planned_study_finds_the_difference_as_often_as_asked():
    # one standard normal estimate per study: detected where |estimate| > 1.96 se
    plan = power(1.0, Precision(items=100, seeds=4, se_items=0.6, se_seeds=0.8))
    error = math.sqrt(0.36 / plan.growth + 0.64 / plan.growth)
    estimates = np.random.default_rng(0).normal(1.0, error, 20_000)
    assert np.mean(np.abs(estimates) > 1.96 * error) == pytest.approx(0.8, abs=0.02)
