import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget, Example, Pool, Tokens
from farsighted.data.cut import budget_sizes, cut, most_picks, share_of

POOL = Pool("math", tuple(Tokens(Example(f"e{n}", "p", "r"), tuple(range(1 + n)), 1) for n in (2, 3, 5)))

sizes = st.lists(st.one_of(st.integers(1, 9), st.integers(50, 90)), min_size=1, max_size=60).map(
    lambda lengths: np.array(lengths, dtype=float)
)


@pytest.mark.parametrize(
    ("budget", "share"),
    [
        (Budget(0.25), 0.25),
        (Budget(0.5, "examples"), 0.5),
        (Budget(4, "tokens", "number"), 0.4),
        (Budget(2, "examples", "number"), 2 / 3),
        (Budget(10, "tokens", "number"), 1.0),
    ],
)
def test_every_budget_is_a_share_of_the_pool(budget, share):
    assert share_of(budget, POOL) == pytest.approx(share)


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (Budget(11, "tokens", "number"), "11 tokens is larger than the pool of stage 'math', which has 10 tokens"),
        (Budget(4, "examples", "number"), "4 examples is larger than the pool of stage 'math', which has 3 examples"),
    ],
)
def test_a_budget_beyond_the_pool_is_refused(budget, sentence):
    with pytest.raises(ConfigError, match=rf"{sentence}\. Lower the budget or enlarge the pool"):
        share_of(budget, POOL)


@pytest.mark.parametrize(("unit", "costs"), [("tokens", [2.0, 3.0, 5.0]), ("examples", [1.0, 1.0, 1.0])])
def test_an_example_costs_its_response_tokens_or_one(unit, costs):
    assert budget_sizes(POOL, unit).tolist() == costs


@settings(max_examples=60)
@given(sizes, st.randoms(use_true_random=False), st.floats(0, 100), st.floats(0, 1))
def test_a_cut_is_the_shortest_prefix_that_reaches_the_target(cost, shuffle, spent, share):
    order = np.array(shuffle.sample(range(len(cost)), len(cost)))
    target = share * (spent + cost.sum() + 10)
    reaching = [
        count for count in range(len(cost) + 1) if spent + cost[order[:count]].sum() >= target - 1e-9 * max(target, 1)
    ]
    expected = reaching[0] if reaching else len(cost)
    assert cut(order, cost, spent, target).tolist() == order[:expected].tolist()


@settings(max_examples=60)
@given(sizes, st.randoms(use_true_random=False), st.floats(0, 100), st.floats(0, 1))
def test_no_ranking_is_cut_behind_the_most_picks_and_that_of_the_smallest_is_cut_there(cost, shuffle, spent, share):
    order = np.array(shuffle.sample(range(len(cost)), len(cost)))
    target = share * (spent + cost.sum() + 10)
    most = most_picks(cost, spent, target)
    assert len(cut(order, cost, spent, target)) <= most
    assert len(cut(np.argsort(cost), cost, spent, target)) == most


def test_a_cut_takes_no_example_more_for_a_rounding_error():
    # 0.1 + 0.2 > 0.3 in floats: three tenths of ten examples are three.
    assert len(cut(np.arange(10), np.ones(10), 0.0, (0.1 + 0.2) * 10)) == 3
    assert len(cut(np.arange(10), np.ones(10), 3.0, (0.1 + 0.2) * 10)) == 0
