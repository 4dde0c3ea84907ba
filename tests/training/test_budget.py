import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.values import Budget, Example, Pool, Tokens
from farsighted.data.cut import cut, share_of
from farsighted.training.budget import (
    Round,
    RoundSettings,
    compute_matched_share,
    plan_stage,
    scaled,
    split_into_steps,
)

POOL = Pool("math", tuple(Tokens(Example(f"e{n}", "p", "r"), tuple(range(1 + n)), 1) for n in (2, 3, 5)))

sizes = st.lists(st.one_of(st.integers(1, 9), st.integers(50, 90)), min_size=1, max_size=60).map(
    lambda lengths: np.array(lengths, dtype=float)
)
units = st.sampled_from(["tokens", "examples"])
shares = st.floats(0.01, 1.0)
plans = st.builds(RoundSettings, st.sampled_from(["batch", "round", "stage"]), st.integers(1, 6), st.integers(1, 16))


def costs(lengths, unit):
    return lengths if unit == "tokens" else np.ones(len(lengths))


def spent_by_round(costs_N, rounds, rank):
    """Walk through the rounds with a ranking `rank(rows) -> rows, best first`; return what is spent after each."""
    left, start, spent, after = list(range(len(costs_N))), 0, 0.0, []
    for round_ in rounds:
        rows = np.array(left if round_.arrivals is None else range(start, start + round_.arrivals), dtype=int)
        start += round_.arrivals or 0
        order = np.argsort(rank(rows), kind="stable")
        picked = rows[cut(order, costs_N[rows], spent, round_.target)]
        left = [row for row in left if row not in picked]
        spent += costs_N[picked].sum()
        after.append(spent)
    return np.array(after)


@settings(max_examples=60)
@given(sizes, units, shares, plans, st.integers(0, 99))
def test_after_every_round_any_two_selectors_have_trained_the_same_within_one_example(lengths, unit, share, plan, seed):
    cost = costs(lengths, unit)
    rounds = plan_stage(cost, share, plan)
    draws = np.random.default_rng(seed).random(len(cost))
    rankings = [lambda rows: cost[rows], lambda rows: -cost[rows], lambda rows: draws[rows]]
    spent = np.array([spent_by_round(cost, rounds, rank) for rank in rankings])
    target = np.array([round_.target for round_ in rounds])
    assert (spent >= target - 1e-6).all()
    assert (spent < target + cost.max()).all()
    assert (np.ptp(spent, axis=0) < cost.max()).all()


@settings(max_examples=60)
@given(sizes, units, shares, plans)
def test_targets_rise_to_the_share_of_the_pool(lengths, unit, share, plan):
    cost = costs(lengths, unit)
    targets = [round_.target for round_ in plan_stage(cost, share, plan)]
    assert targets == sorted(targets)
    assert targets[-1] == pytest.approx(share * cost.sum())


@settings(max_examples=60)
@given(sizes, shares, st.integers(1, 16))
def test_candidate_batches_use_up_the_pool_and_give_one_step_each(lengths, share, batch_size):
    rounds = plan_stage(lengths, share, RoundSettings("batch", batch_size=batch_size))
    arrivals = [round_.arrivals for round_ in rounds]
    assert sum(arrivals) == len(lengths)
    assert len(arrivals) == max(1, round(len(lengths) / max(1, round(batch_size / share))))
    assert max(arrivals) - min(arrivals) <= 1
    assert {round_.steps for round_ in rounds} == {1}


def test_a_batch_of_candidates_is_the_training_batch_over_the_share_and_its_target_follows_what_arrived():
    rounds = plan_stage(np.array([4.0, 2, 6, 8, 10]), 0.5, RoundSettings("batch", batch_size=1))
    assert rounds == (Round(3, 6.0, 1), Round(2, 15.0, 1))


def test_rounds_share_the_budget_and_the_steps_evenly():
    # 40 examples at 25 % are 10 picks: 5 a round, and 5 / 2 = 2.5 steps of two examples, rounded to even.
    rounds = plan_stage(np.full(40, 3.0), 0.25, RoundSettings("round", rounds=2, batch_size=2))
    assert rounds == (Round(None, 15.0, 2), Round(None, 30.0, 2))


def test_a_stage_is_one_round():
    assert plan_stage(np.full(40, 3.0), 0.25, RoundSettings("stage", batch_size=2)) == (Round(None, 30.0, 5),)


def test_a_round_has_at_least_one_step():
    assert plan_stage(np.ones(4), 0.25, RoundSettings("stage", batch_size=16)) == (Round(None, 1.0, 1),)


def test_compute_matched_rounds_differ_by_their_targets_alone():
    assert scaled((Round(8, 10.0, 1), Round(None, 20.0, 4)), 3.0) == (Round(8, 30.0, 1), Round(None, 60.0, 4))


@pytest.mark.parametrize(
    ("share", "backward_cost", "expected"),
    [(0.25, 1.0, 0.75), (0.25, 2.0, 0.25 + 1 / 3), (0.1, 1.0, 0.6), (0.5, 1.0, 1.0), (0.75, 2.0, 1.0)],
)
def test_matched_compute_buys_one_scoring_pass_more_and_never_more_than_the_pool(share, backward_cost, expected):
    assert compute_matched_share(share, backward_cost) == pytest.approx(expected)
    # Cost of a forward-scored selector, in forward passes of the pool, against random's (definitions.md#cost).
    scored = 1 + share * (1 + backward_cost)
    assert compute_matched_share(share, backward_cost) * (1 + backward_cost) == pytest.approx(
        min(scored, 1 + backward_cost)
    )


@pytest.mark.parametrize("plan", [RoundSettings("batch", batch_size=1), RoundSettings("round"), RoundSettings("stage")])
def test_an_absolute_number_of_tokens_is_trained_within_one_example(plan):
    cost = np.array([tokens.response_length for tokens in POOL.tokens], dtype=float)
    rounds = plan_stage(cost, share_of(Budget(4, "tokens", "number"), POOL), plan)
    assert 4 <= spent_by_round(cost, rounds, lambda rows: -cost[rows])[-1] < 4 + cost.max()


@settings(max_examples=60)
@given(sizes, st.integers(1, 12), st.randoms(use_true_random=False))
def test_steps_divide_the_picks_in_order_into_nearly_equal_parts(lengths, steps, shuffle):
    picked = np.array(shuffle.sample(range(len(lengths)), shuffle.randint(1, len(lengths))))
    parts = split_into_steps(picked, lengths, steps)
    assert np.concatenate(parts).tolist() == picked.tolist()
    assert len(parts) <= steps
    assert all(len(part) for part in parts)
    assert max(lengths[part].sum() for part in parts) < lengths[picked].sum() / steps + lengths.max() + 1e-9


def test_as_many_equal_examples_as_steps_give_one_step_each():
    assert [part.tolist() for part in split_into_steps(np.array([3, 1, 2]), np.ones(4), 3)] == [[3], [1], [2]]


def test_no_picks_are_no_steps():
    assert split_into_steps(np.empty(0, dtype=int), np.ones(4), 3) == []
