"""One list of all selectors feeds every generic test."""

import numpy as np
import pytest
from safetensors.numpy import load, save

from farsighted.core.rng import stream
from farsighted.selectors import build_selector, rank_checked, selector_names
from farsighted.testing.selectors import check_selector, synthetic_signals

SELECTORS = [
    *selector_names(),
    {"name": "gradient", "score": "similarity"},
    {"name": "gradient", "score": "norm", "signal": "head"},
    {"name": "gradient", "score": "similarity", "signal": "head"},
    {"name": "diversity", "method": "clusters"},
    {"name": "utility_diversity", "scale": "compat", "memory": 5},
    {"name": "lhas", "utility": "random"},
    {"name": "lhas", "utility": "diversity", "eta": 0.0, "rho": 0.0},
    {"name": "lhas", "utility": "loss", "centroids": 3, "directions": 1},
    {"name": "lhas", "utility": {"name": "lhas", "utility": "quality"}},
    {"name": "lhas", "utility": "coverage_floor"},
    {"name": "coverage_floor", "selector": {"name": "proxy_floor", "selector": "utility_diversity"}, "share": 0.5},
    {"name": "proxy_floor", "selector": {"name": "coverage_floor", "selector": "random"}, "share": 0.1},
    {"name": "replay", "selector": "diversity", "share": 0.5},
    {"name": "coverage_floor", "selector": {"name": "replay", "selector": "lhas"}},
]


@pytest.fixture(params=SELECTORS, ids=str)
def selector(request):
    return build_selector(request.param)


def test_every_selector_keeps_the_contract(selector):
    check_selector(selector, np.random.default_rng(0))


def rankings(selector, rounds, through=lambda state: state):
    rng, state, orders = np.random.default_rng(1), selector.init(), []
    for position in range(rounds):
        signals = synthetic_signals(rng, 12, selector.needs)
        ranking = rank_checked(selector, signals, state, stream(0, "selector", 1, position))
        orders.append((ranking.order.tolist(), ranking.score.tolist()))
        state = through(selector.observe(state, signals.take(ranking.order[:3])))
    return orders


def test_a_state_that_was_on_disk_ranks_bit_for_bit_alike(selector):
    assert rankings(selector, 5) == rankings(selector, 5, lambda state: load(save(dict(state))))


def test_observing_nothing_is_no_error(selector):
    signals = synthetic_signals(np.random.default_rng(2), 6, selector.needs)
    state = selector.observe(selector.init(), signals.take([]))
    ranking = rank_checked(selector, signals, state, np.random.default_rng(0))
    fresh = rank_checked(selector, signals, selector.init(), np.random.default_rng(0))
    assert ranking.order.tolist() == fresh.order.tolist()


def test_candidates_that_are_all_alike_are_ranked_without_warnings(selector):
    one = synthetic_signals(np.random.default_rng(3), 1, selector.needs)
    alike = one.take([0, 0, 0, 0])
    state = selector.observe(selector.init(), alike)
    for known in (selector.init(), state):
        assert sorted(rank_checked(selector, alike, known, np.random.default_rng(0)).order) == [0, 1, 2, 3]


def test_signals_that_are_zero_are_ranked_without_warnings(selector):
    signals = synthetic_signals(np.random.default_rng(4), 5, selector.needs)
    for array in (*signals.rows.values(), signals.context.get("proxy_sketch", np.empty(0))):
        array[...] = 0
    state = selector.observe(selector.init(), signals)
    for known in (selector.init(), state):
        assert sorted(rank_checked(selector, signals, known, np.random.default_rng(0)).order) == list(range(5))
