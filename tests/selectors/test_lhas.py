import tracemalloc

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import LHAS, Diversity, Loss, UtilityDiversity, build_selector, rank_checked, with_picks
from farsighted.sets import products
from oracles import selector_loops as loops

RNG = np.random.default_rng(0)
CLUSTERS = 4


def candidates(seed, count=12, width=6):
    rng = np.random.default_rng(seed)
    rows = {
        "embedding": rng.normal(size=(count, 3)),
        "head_sketch": rng.normal(size=(count, width)) * rng.gamma(2.0, size=(count, 1)),
        "cluster": rng.integers(CLUSTERS, size=count),
        "nll": rng.gamma(2.0, size=count),
        "nuclear_norm": rng.gamma(2.0, size=count),
        "logit_sketch": rng.normal(size=(count, 5)),
    }
    return loops.signals_of({"cluster_count": CLUSTERS, "proxy_sketch": rng.normal(size=width)}, **rows)


def remembered(selector, *picked):
    state = selector.init()
    for signals in picked:
        state = selector.observe(state, signals)
    return state


def assert_equal_to_loops(selector, signals, state, history):
    """Compare with Eq. 5 from scratch; `history` holds the picks so far, few enough that every direction is kept."""
    counts, gradients, centroids = [0] * CLUSTERS, [], []
    for picks in history:
        for row in range(len(picks)):
            counts[picks["cluster"][row]] += 1
            gradients.append(picks["head_sketch"][row])
            centroids.append(picks["embedding"][row])
    if centroids:
        centroids, _ = loops.online_k_means(centroids, selector.centroids)
    ranking = rank_checked(selector, signals, state, RNG)
    order, expected = loops.lhas(selector, signals["nll"], signals, centroids, counts, gradients)
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.score, expected.pop("score"), rtol=1e-9, atol=1e-12)
    assert ranking.components.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(ranking.components[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "weights", [{}, {"lambda_": 0.0}, {"eta": 2.0}, {"rho": 3.0}, {"lambda_": 1.5, "rho": 1.0, "eta": 0.1}]
)
def test_lhas_equals_equation_5_computed_from_scratch_before_every_pick(seed, weights):
    # Sketches are 6 wide and 2 x 3 directions are kept, so the streaming sketch must be exact.
    selector = LHAS(utility="loss", directions=3, **weights)
    signals = candidates(seed)
    if not selector.lambda_:
        ranking = rank_checked(selector, signals, selector.init(), RNG)
        order, _ = loops.lhas(selector, signals["nll"], signals, [], [0] * CLUSTERS, [])
        assert ranking.order.tolist() == order
        return
    assert_equal_to_loops(selector, signals, selector.init(), [])
    history = [candidates(seed + 20, 5), candidates(seed + 30, 4)]
    assert_equal_to_loops(selector, signals, remembered(selector, *history), history)


@pytest.mark.parametrize("picks", [0, 1, 5, 11, 12, 40])
@pytest.mark.parametrize("utility", ["loss", "diversity", {"name": "lhas", "utility": "loss"}])
def test_as_much_of_the_order_as_the_budget_can_take_is_that_of_the_whole_and_the_rest_follows_by_score(picks, utility):
    selector, signals = LHAS(utility=utility), candidates(3)
    state = remembered(selector, candidates(20, 5))
    whole = rank_checked(selector, signals, state, RNG)
    part = rank_checked(selector, with_picks(signals, picks), state, RNG)
    assert part.order[:picks].tolist() == whole.order[:picks].tolist()
    for name, values in {"score": whole.score, **whole.components}.items():
        found = {"score": part.score, **part.components}[name]
        np.testing.assert_array_equal(found[whole.order[:picks]], values[whole.order[:picks]])
    assert sorted(part.order.tolist()) == list(range(12))
    behind = part.score[part.order[picks:]]
    assert (np.diff(behind) <= 0).all()
    # The first of the rest is what would have been picked next.
    assert part.order[picks : picks + 1].tolist() == whole.order[picks : picks + 1].tolist()


def test_lhas_equals_the_loops_when_centroids_are_full():
    selector = LHAS(utility=Loss(), directions=3, centroids=2)
    history = [candidates(40, 7)]
    assert_equal_to_loops(selector, candidates(1), remembered(selector, *history), history)


def test_the_terms_inside_a_ranking_go_on_as_observe_would():
    # Weights so small that u alone decides, and more history than directions are kept: the concentration of the second
    # pick must still be the one that is found after observing the first.
    tiny = LHAS(utility="loss", lambda_=1e-9, eta=1e-9, rho=1e-9)
    signals, state = candidates(5, width=40), remembered(tiny, candidates(6, 30, width=40))
    ranking = tiny.rank(signals, state, RNG)
    first, second = ranking.order[:2]
    after_first = tiny.rank(signals.take([second]), tiny.observe(state, signals.take([first])), RNG)
    expected = after_first.components["concentration"][0]
    assert ranking.components["concentration"][second] == pytest.approx(expected, rel=1e-9)


def test_without_correction_lhas_is_its_utility():
    signals = candidates(0)
    for utility in (Loss(), UtilityDiversity(), Diversity()):
        alone = LHAS(utility=utility, lambda_=0.0, eta=0.0, rho=0.0)
        expected = utility.rank(signals, utility.init(), RNG).order
        if isinstance(utility, Diversity):  # The first two picks share a distance, hence a rank.
            expected = np.concatenate([np.sort(expected[:2]), expected[2:]])
        assert alone.rank(signals, alone.init(), RNG).order.tolist() == expected.tolist()


def test_repeating_the_history_is_what_concentration_punishes():
    selector = LHAS(utility="loss", lambda_=0.0, eta=0.0, rho=1.0)
    past = loops.signals_of(
        {"cluster_count": 2, "proxy_sketch": [1.0, 1.0]}, head_sketch=[[2.0, 0.0]] * 3, cluster=[0] * 3, nll=[1.0] * 3
    )
    now = loops.signals_of(
        {"cluster_count": 2, "proxy_sketch": [1.0, 1.0]},
        head_sketch=[[5.0, 0.0], [0.0, 1.0]],
        cluster=[0, 1],
        nll=[1.0, 1.0],
    )
    ranking = selector.rank(now, remembered(selector, past), RNG)
    assert ranking.order.tolist() == [1, 0]
    # Row 1: own cluster unserved, gradient unseen: a = 0. Row 0, when picked: cluster 0 holds 3 of 4, (3/4-1/2)/(1/2)
    # = 1/2, and its gradient lies along a known direction: a = 1/4 + 1/2.
    np.testing.assert_allclose(ranking.components["concentration"], [0.75, 0.0], atol=1e-12)


def test_concentration_is_not_rebuilt_inside_one_ranking():
    # Ten twins in cluster 0 of the largest loss: greedy LHAS turns to cluster 1 after the first, loss after the tenth.
    twins = {"head_sketch": [[1.0, 0.0]] * 10 + [[0.0, 1.0]], "cluster": [0] * 10 + [1]}
    twins |= {"embedding": [[1.0, 0.0]] * 10 + [[0.0, 1.0]], "nll": [2.0] * 10 + [1.0]}
    signals = loops.signals_of({"cluster_count": 2, "proxy_sketch": [1.0, 1.0]}, **twins)
    selector = LHAS(utility="loss", rho=1.0)
    assert selector.rank(signals, selector.init(), RNG).order[:2].tolist() == [0, 10]


def test_the_utility_keeps_its_own_memory_and_history_is_bounded():
    selector = LHAS(utility={"name": "utility_diversity", "memory": 3}, centroids=4, directions=2)
    state = remembered(selector, candidates(0), candidates(1))
    np.testing.assert_array_equal(state["inner.memory"], candidates(1)["logit_sketch"][-3:])
    assert state["centroid_mean"].shape == (4, 3)
    assert state["centroid_count"].sum() == 24
    assert state["cluster_count"].sum() == 24
    assert state["direction_basis"].shape == (4, 6)


def test_lhas_inside_lhas_keeps_two_histories():
    selector = LHAS(utility=LHAS(utility="loss"), eta=0.0)
    state = remembered(selector, candidates(0))
    assert state["inner.centroid_count"].sum() == 12
    assert sorted(selector.rank(candidates(1), state, RNG).order) == list(range(12))


@pytest.mark.parametrize(
    ("weight", "spared"), [("lambda_", {"embedding"}), ("eta", {"proxy_sketch"}), ("rho", {"cluster"})]
)
def test_a_term_of_weight_zero_needs_no_signals(weight, spared):
    whole, without = LHAS(utility="loss"), LHAS(utility="loss", **{weight: 0.0})
    assert whole.needs == {"nll", "embedding", "head_sketch", "proxy_sketch", "cluster"}
    assert whole.needs - without.needs == spared
    rows = {name: array for name, array in candidates(0).rows.items() if name in without.needs}
    signals = loops.signals_of(candidates(0).context, **rows)
    state = without.observe(without.init(), signals.take([0, 1]))
    assert len(rank_checked(without, signals, state, RNG).order) == 12


def test_a_whole_pool_of_thousands_is_ranked_within_memory(monkeypatch):
    # Two N x N matrices of float64 would be 144 MB; 2 MB of products may be held by each term.
    monkeypatch.setattr(products, "HELD_CELLS", 1 << 18)
    signals, selector = candidates(0, 3000), LHAS(utility="loss")
    tracemalloc.start()
    order = selector.rank(signals, selector.init(), RNG).order
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(order) == list(range(3000))
    assert peak < 12e6


def test_how_many_products_are_held_changes_no_order(monkeypatch):
    signals, selector = candidates(3, 200), LHAS(utility="loss")
    whole = selector.rank(signals, selector.init(), RNG)
    monkeypatch.setattr(products, "HELD_CELLS", 1000)
    parts = selector.rank(signals, selector.init(), RNG)
    assert parts.order.tolist() == whole.order.tolist()
    np.testing.assert_allclose(parts.score, whole.score, rtol=1e-9)


def test_twins_are_ranked_by_row_whatever_lies_between_them():
    one = candidates(4, 40)
    both = one.take(np.concatenate([np.arange(40), np.arange(40)]))
    selector = LHAS(utility="loss")
    place = np.argsort(selector.rank(both, selector.init(), RNG).order)
    assert (place[:40] < place[40:]).all()


def test_utility_may_be_a_name_a_mapping_or_a_selector():
    as_name, as_mapping = LHAS(utility="loss"), build_selector({"name": "lhas", "utility": {"name": "loss"}})
    assert as_name == as_mapping == LHAS(utility=Loss())


@pytest.mark.parametrize(
    ("field", "value", "least"), [("rho", -0.1, 0), ("lambda_", -1, 0), ("centroids", 0, 1), ("directions", 0, 1)]
)
def test_a_value_out_of_range_is_refused(field, value, least):
    with pytest.raises(SelectorError, match=f"`{field}` of 'lhas' must be at least {least}, but is {value}"):
        LHAS(**{field: value})
