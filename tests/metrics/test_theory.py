import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from farsighted.metrics.theory import (
    Expansion,
    Problems,
    QuadraticTask,
    Share,
    Sizes,
    check_order,
    draw_problems,
    expand,
    matching_scale,
    next_stage_loss,
)
from oracles.theory_loops import loss

STEP_SIZES = (0.001, 0.01, 0.1, 0.5, 1.0, 2.0)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def checks():
    problems = draw_problems(np.random.default_rng(0), Sizes(problems=3000))
    return [check_order(problems, step_size) for step_size in STEP_SIZES]


def positive_task(rng, width, rank):
    factor = rng.normal(size=(width, rank))
    return QuadraticTask(factor @ factor.T, rng.normal(size=width))


def one_problem(current, following, update_a, update_b):
    tasks = (QuadraticTask(task.curvature_DD[None], task.optimum_D[None]) for task in (current, following))
    return Problems(np.zeros((1, len(update_a))), *tasks, np.array([update_a]), np.array([update_b]))


def contradiction():
    """Equal now, for the current task is blind to the second axis, on which the second set oversteps the next one."""
    current = QuadraticTask(np.diag([1.0, 0.0]), np.array([-1.0, 0.0]))
    following = QuadraticTask(np.eye(2), np.array([0.0, -1.0]))
    return one_problem(current, following, [1.0, 0.0], [1.0, 4.0])


@given(seed=seeds, width=st.integers(1, 6), rank=st.integers(1, 6))
@settings(max_examples=60)
def test_the_loss_equals_its_sum_over_components(seed, width, rank):
    rng = np.random.default_rng(seed)
    task, theta = positive_task(rng, width, rank), rng.normal(size=width)
    expected = loss(theta.tolist(), task.optimum_D.tolist(), task.curvature_DD.tolist())
    assert next_stage_loss(theta, task) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@given(seed=seeds, width=st.integers(1, 12), rank=st.integers(1, 12), exponent=st.integers(-6, 3))
@settings(max_examples=100)
def test_equation_eight_is_an_identity_to_machine_precision(seed, width, rank, exponent):
    rng = np.random.default_rng(seed)
    task, theta, update = positive_task(rng, width, rank), rng.normal(size=width), rng.normal(size=width)
    step_size = 10.0**exponent
    step = expand(theta, task, update, step_size)
    # what the products are made of, before anything cancels: the loss of a singular H can be far smaller
    reach = sum(np.linalg.norm(part) for part in (theta, task.optimum_D, step_size * update))
    size = np.linalg.norm(task.curvature_DD) * reach**2
    assert abs(step.after - step.before - step.linear - step.quadratic) < 1e-14 * size
    assert step.after == next_stage_loss(theta - step_size * update, task)


def test_the_three_terms_equal_their_values_by_hand():
    # theta - theta* = (1, -1), H (theta - theta*) = (2, -1), g = (3, 1): <g, .> = 5, g'Hg = 19; 1.5 - 2.5 + 19/8
    step = expand(
        np.array([1.0, 0.0]), QuadraticTask(np.diag([2.0, 1.0]), np.array([0.0, 1.0])), np.array([3.0, 1.0]), 0.5
    )
    assert (step.before, step.linear, step.quadratic, step.after) == (1.5, -2.5, 2.375, 1.375)
    assert step.residual == 0


def test_a_term_that_is_wrong_leaves_a_residual():
    terms = {"before": 1.0, "linear": -0.5, "quadratic": 0.25, "after": 0.75}
    for name in terms:
        wrong = Expansion(**{key: np.array(value + 0.1 * (key == name)) for key, value in terms.items()})
        assert wrong.residual > 0.05


def test_the_residual_of_a_step_from_the_optimum_along_the_kernel_is_zero():
    step = expand(np.zeros(2), QuadraticTask(np.diag([1.0, 0.0]), np.zeros(2)), np.array([0.0, 1.0]), 1.0)
    assert step.residual == 0


@given(seed=seeds, width=st.integers(2, 8), step_size=st.floats(1e-3, 2.0))
@settings(max_examples=60)
def test_the_scaled_set_gains_exactly_as_much_as_the_other(seed, width, step_size):
    problems = draw_problems(np.random.default_rng(seed), Sizes(problems=20, dimensions=width))
    theta, current = problems.theta_PD, problems.current
    first = expand(theta, current, problems.update_a_PD, step_size)
    scale = matching_scale(first, expand(theta, current, problems.update_b_PD, step_size))
    found = np.isfinite(scale)
    assume(found.any())
    scaled = scale[:, None] * problems.update_b_PD
    gap = np.abs(expand(theta, current, scaled, step_size).after - first.after)
    reach = np.linalg.norm(current.optimum_D, axis=1) + step_size * np.linalg.norm(scaled, axis=1)
    assert (gap[found] < 1e-14 * reach[found] ** 2).all()
    assert (scale[found] > 0).all()
    assert (first.after[found] < first.before[found]).all()


@pytest.mark.parametrize(
    ("first", "second"),
    [((1.0, 0.5), (-1.0, 0.5)), ((-1.0, 0.5), (1.0, 0.5)), ((-1.0, 0.0), (-1.0, 0.5))],
    ids=["the first loses", "the second points uphill", "the second can gain a half at most"],
)
def test_a_pair_that_cannot_gain_alike_is_missing(first, second):
    terms = [Expansion(np.array(2.0), np.array(lin), np.array(quad), np.array(0.0)) for lin, quad in (first, second)]
    assert math.isnan(matching_scale(*terms))


def test_of_two_multiples_that_gain_alike_the_smaller_is_taken():
    # s^2 - 3 s = -2 has the roots 1 and 2
    first, second = (
        Expansion(np.array(3.0), np.array(lin), np.array(quad), np.array(0.0)) for lin, quad in ((-4.0, 2.0), (-3.0, 1))
    )
    assert matching_scale(first, second) == 1


def test_the_proposition_without_a_bound_on_the_step_size_has_a_counterexample():
    problems = contradiction()
    check = check_order(problems, 1.0)
    # both reach the current optimum; projections on H (theta - theta*) = (0, 1) are 0 < 4, next losses 1 < 5
    steps = [
        expand(problems.theta_PD, problems.following, update, 1.0)
        for update in (problems.update_a_PD, problems.update_b_PD)
    ]
    assert [step.linear.item() for step in steps] == [0.0, -4.0]
    assert [step.after.item() for step in steps] == [1.0, 5.0]
    assert (check.gain_error, check.counterexamples, check.predicted) == (0.0, 1, Share(0, 1))


@pytest.mark.parametrize(("step_size", "counterexamples"), [(0.49, 0), (0.51, 1)])
def test_the_counterexample_ends_where_the_terms_of_equation_eight_balance(step_size, counterexamples):
    # 4 eta against 16 eta^2 / 2: the proposition holds below eta = 1/2
    assert check_order(contradiction(), step_size).counterexamples == counterexamples


def test_which_set_comes_first_does_not_matter():
    there = contradiction()
    back = Problems(there.theta_PD, there.current, there.following, there.update_b_PD, there.update_a_PD)
    for step_size, right in ((0.25, True), (1.0, False)):
        assert check_order(back, step_size).right_P.item() is right


def test_current_gains_are_equal_and_the_identity_holds_in_every_pair(checks):
    assert max(check.gain_error for check in checks) < 1e-13
    assert max(check.residual for check in checks) < 1e-13


def test_the_order_is_nearly_always_predicted_at_a_small_step(checks):
    assert checks[0].predicted.value > 0.999
    assert checks[0].predicted.cases > 2900


def test_the_share_predicted_falls_with_the_step_size_pair_by_pair_of_the_same_problems(checks):
    always = np.logical_and.reduce([check.paired_P for check in checks])
    shares = [check.right_P[always].mean() for check in checks]
    assert always.sum() > 1000
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] > 0.2


def test_counterexamples_exist_at_moderate_steps(checks):
    # even the upper end of the interval is below 1, and a tenth of pairs at eta = 1 is far outside chance
    assert checks[3].predicted.interval.high < 0.97
    assert checks[4].counterexamples > 0.1 * checks[4].predicted.cases


def test_only_pairs_whose_quadratic_terms_are_opposed_contradict(checks):
    for check in checks:
        wrong = check.paired_P & ~check.right_P
        assert not (wrong & ~check.opposed_P).any()
        assert 0.4 < check.opposed_P.sum() / check.paired_P.sum() < 0.6


def test_problems_are_drawn_as_described():
    problems = draw_problems(np.random.default_rng(3), Sizes(problems=400, dimensions=5, picked=4, spread=0.0))
    top = np.linalg.eigvalsh(problems.following.curvature_DD)
    np.testing.assert_allclose(top[:, -1], 1.0)
    assert top.min() > -1e-12
    # without spread every example has the task's own gradient, H (theta - theta*)
    descent = np.einsum("pij,pj->pi", problems.current.curvature_DD, -problems.current.optimum_D)
    np.testing.assert_allclose(problems.update_a_PD, descent)
    np.testing.assert_allclose(problems.update_b_PD, descent)


def test_a_spread_of_one_deviates_by_one_length_of_the_gradient():
    sizes = Sizes(problems=4000, dimensions=6, picked=1, spread=1.0)
    problems = draw_problems(np.random.default_rng(4), sizes)
    descent = np.einsum("pij,pj->pi", problems.current.curvature_DD, -problems.current.optimum_D)
    deviation = ((problems.update_a_PD - descent) ** 2).sum(axis=1) / (descent**2).sum(axis=1)
    # chi-square with 6 degrees of freedom, over 6: mean 1, sd sqrt(2/6)
    assert abs(deviation.mean() - 1) < 5 * math.sqrt(2 / 6 / 4000)


def test_the_interval_of_wilson_equals_its_formula():
    share, z = Share(30, 40), 1.959963984540054
    centre, spread = (0.75 + z**2 / 80) / (1 + z**2 / 40), math.sqrt(0.75 * 0.25 / 40 + z**2 / 6400) / (1 + z**2 / 40)
    assert share.value == 0.75
    assert share.interval.low == pytest.approx(centre - z * spread)
    assert share.interval.high == pytest.approx(centre + z * spread)


def test_a_share_of_nothing_is_missing():
    share = Share(0, 0)
    assert math.isnan(share.value)
    assert math.isnan(share.interval.low)
    assert math.isnan(share.interval.high)
