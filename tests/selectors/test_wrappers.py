import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farsighted.core.errors import SelectorError
from farsighted.selectors import (
    LHAS,
    CoverageFloor,
    Diversity,
    Loss,
    ProxyFloor,
    Replay,
    build_selector,
    demands_of,
    rank_checked,
    with_picks,
)
from farsighted.sets.greedy import rank01
from farsighted.signals.table import check_needs
from oracles import floor_loops
from oracles.selector_loops import signals_of
from oracles.weighted import Weighing

RNG = np.random.default_rng(0)
CLUSTERS = 4
KINDS = (CoverageFloor, ProxyFloor, Replay)
SHARES = (0.0, 0.1, 0.25, 0.5, 0.9, 1.0)


def candidates(seed, count=20):
    rng = np.random.default_rng(seed)
    rows = {
        "nll": rng.gamma(2.0, size=count),
        "cluster": rng.choice(CLUSTERS, size=count, p=[0.6, 0.2, 0.1, 0.1]),
        "size": rng.integers(1, 30, size=count),
        "origin": rng.choice(3, size=count, p=[0.7, 0.2, 0.1]),
        "head_sketch": rng.normal(size=(count, 3)),
        "embedding": rng.normal(size=(count, 3)),
    }
    return signals_of({"cluster_count": CLUSTERS, "proxy_sketch": rng.normal(size=3)}, **rows)


def remembered(selector, *picked):
    state = selector.init()
    for signals in picked:
        state = selector.observe(state, signals)
    return state


def order_of(selector, signals, state=None):
    return rank_checked(selector, signals, selector.init() if state is None else state, RNG).order.tolist()


def by_loss(signals):
    return np.argsort(-signals["nll"], kind="stable").tolist()


def looped(selector, signals, served=(0,) * CLUSTERS):
    kind, rest = {
        "coverage_floor": (floor_loops.coverage_floor, (signals["cluster"].tolist(), served)),
        "proxy_floor": (floor_loops.proxy_floor, (signals["head_sketch"], signals["proxy_sketch"])),
        "replay": (floor_loops.replay, (signals["origin"].tolist(),)),
    }[selector.name]
    return kind(by_loss(signals), signals["size"].tolist(), selector.share, *rest)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_floor_equals_the_one_found_anew_before_every_pick(kind, share, seed):
    selector, signals = kind("loss", share), candidates(seed)
    assert order_of(selector, signals) == looped(selector, signals)[0]


def test_coverage_goes_on_from_what_was_selected_before():
    selector, history = CoverageFloor("loss", 0.5), [candidates(10, 9), candidates(11, 7)]
    served = [sum(int((past["cluster"] == number).sum()) for past in history) for number in range(CLUSTERS)]
    state = remembered(selector, *history)
    assert state["cluster_count"].tolist() == served
    for seed in range(3):
        signals = candidates(seed)
        assert order_of(selector, signals, state) == looped(selector, signals, served)[0]


@given(st.integers(0, 1000), st.sampled_from(SHARES), st.sampled_from([CoverageFloor, ProxyFloor]))
def test_every_prefix_holds_the_share_of_its_size(seed, share, kind):
    selector, signals = kind("loss", share), candidates(seed, 12)
    order, counted = looped(selector, signals)
    assert order_of(selector, signals) == order
    held = np.cumsum([signals["size"][row] * (row in counted) for row in order])
    assert (held >= share * np.cumsum(signals["size"][order]) - 1e-9).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_share_the_inner_order_stands(kind):
    for inner in (Loss(), Diversity()):
        signals = candidates(0)
        assert order_of(kind(inner, 0.0), signals) == order_of(inner, signals)


def test_a_whole_share_serves_all_clusters_in_turns():
    cluster = [0] * 9 + [1, 1, 1, 2, 2, 2, 3, 3]
    signals = signals_of({"cluster_count": 4}, nll=range(17, 0, -1), cluster=cluster, size=[1] * 17)
    order = order_of(CoverageFloor("loss", 1.0), signals)
    assert [cluster[row] for row in order] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2] + [0] * 6


def test_a_whole_share_for_the_proxy_leaves_nothing_to_the_inner_order():
    signals = candidates(1)
    aligned = [floor_loops.cosine(row, signals["proxy_sketch"]) for row in signals["head_sketch"]]
    assert order_of(ProxyFloor("loss", 1.0), signals) == np.argsort(-np.array(aligned)).tolist()


def test_a_quarter_for_coverage_by_hand():
    # The order by loss is the order of rows. Cluster 1 holds less than cluster 0 as soon as row 0 is picked, and row 0
    # counts, as both held nothing: 1 of 1, 1 of 2, 1 of 3, 1 of 4, but 1 of 5 is below a quarter: row 5, the first of
    # cluster 1, comes fifth.
    signals = signals_of({"cluster_count": 2}, nll=range(7, 0, -1), cluster=[0] * 5 + [1, 1], size=[1] * 7)
    ranking = rank_checked(CoverageFloor("loss"), signals, CoverageFloor().init(), RNG)
    assert ranking.order.tolist() == [0, 1, 2, 3, 5, 4, 6]
    assert ranking.components["coverage_floor"].tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert ranking.components["loss"].tolist() == [7, 6, 5, 4, 3, 2, 1]
    assert ranking.score.tolist() == [0, -1, -2, -3, -5, -4, -6]


def test_what_the_order_picks_by_itself_leaves_less_to_the_floor():
    # Three picks along the proxy come first by loss: they hold the half up to the sixth place.
    sketch = [[5.0, 0.0], [4.0, 0.1], [3.0, 0.2], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    signals = signals_of({"proxy_sketch": [1.0, 0.0]}, nll=range(8, 0, -1), head_sketch=sketch, size=[1] * 8)
    assert order_of(ProxyFloor("loss", 0.5), signals) == [0, 1, 2, 3, 4, 5, 7, 6]


def test_the_share_is_one_of_sizes_not_of_candidates():
    # After row 0 (size 30, along the proxy) the order may take 90 of size elsewhere before a quarter is missing.
    sketch = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    signals = signals_of({"proxy_sketch": [1.0, 0.0]}, nll=range(5, 0, -1), head_sketch=sketch, size=[30, 60, 30, 1, 1])
    assert order_of(ProxyFloor("loss", 0.25), signals) == [0, 1, 2, 4, 3]


def test_candidates_of_one_cluster_stay_in_the_inner_order_whatever_was_selected():
    signals = signals_of({"cluster_count": 3}, nll=[1.0, 3.0, 2.0], cluster=[2, 2, 2], size=[5, 1, 9])
    selector = CoverageFloor("loss", 1.0)
    assert order_of(selector, signals, remembered(selector, signals)) == [1, 2, 0]


def test_what_is_replayed_comes_in_its_share_while_there_is_any():
    # A quarter of the order of rows: rows 6 and 7 are replayed; after them nothing is.
    signals = signals_of(nll=range(9, 0, -1), origin=[0] * 6 + [1, 2, 0], size=[1] * 9)
    ranking = rank_checked(Replay("loss", 0.25), signals, Replay().init(), RNG)
    assert ranking.order.tolist() == [6, 0, 1, 2, 7, 3, 4, 5, 8]
    assert ranking.components["replay"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("inner", [Loss(), Diversity()])
def test_with_nothing_to_replay_the_inner_order_stands(inner):
    signals = candidates(5)
    signals.rows["origin"][:] = 0
    assert order_of(Replay(inner, 0.9), signals) == order_of(inner, signals)


def test_the_share_that_is_replayed_is_found_inside_any_selector():
    def replayed(selector):
        return demands_of(selector).replay_share

    assert replayed(Replay(share=0.2)) == 0.2
    assert replayed(LHAS(utility=CoverageFloor(Replay("loss", 0.3)))) == 0.3
    assert replayed(Replay(Replay("loss", 0.1), 0.4)) == replayed(Replay(Replay("loss", 0.4), 0.1)) == 0.4
    assert replayed(CoverageFloor(share=0.9)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_floor_reads_the_inner_order_to_the_end_whatever_the_budget_can_take(kind):
    selector, signals = kind(selector=LHAS(utility="loss"), share=0.5), candidates(4)
    state = remembered(selector, candidates(5))
    assert order_of(selector, with_picks(signals, 3), state) == order_of(selector, signals, state)


def test_floors_stand_on_one_another():
    selector = CoverageFloor(ProxyFloor(Diversity(), 0.5), 0.5)
    assert selector.needs == {"embedding", "head_sketch", "proxy_sketch", "cluster", "size"}
    assert check_needs(selector.needs) == selector.needs
    signals = candidates(2)
    state = remembered(selector, signals.take([3, 4]))
    np.testing.assert_array_equal(state["inner.inner.embedding"], signals["embedding"][[3, 4]])
    assert state["cluster_count"].sum() == 2
    inner = order_of(ProxyFloor(Diversity(), 0.5), signals)
    served = (0,) * CLUSTERS
    sizes, clusters = signals["size"].tolist(), signals["cluster"].tolist()
    assert order_of(selector, signals) == floor_loops.coverage_floor(inner, sizes, 0.5, clusters, served)[0]


def test_a_component_of_every_floor_says_what_it_asked_for():
    ranking = rank_checked(build_selector(BOTH), candidates(3), build_selector(BOTH).init(), RNG)
    assert list(ranking.components) == ["proxy_floor", "loss", "coverage_floor"]
    for name in ("proxy_floor", "coverage_floor"):
        assert set(ranking.components[name]) == {0.0, 1.0}


BOTH = {"name": "coverage_floor", "share": 0.5, "selector": {"name": "proxy_floor", "selector": "loss", "share": 0.5}}


def test_the_score_carries_the_order_into_lhas():
    signals, utility = candidates(4), CoverageFloor("loss", 0.5)
    alone = LHAS(utility=utility, lambda_=0.0, eta=0.0, rho=0.0)
    assert order_of(alone, signals) == order_of(utility, signals)
    ranking = rank_checked(alone, signals, alone.init(), RNG)
    np.testing.assert_array_equal(ranking.score, rank01(rank_checked(utility, signals, utility.init(), RNG).score))


def test_the_inner_selector_may_be_a_name_a_mapping_or_a_selector():
    as_mapping = build_selector({"name": "coverage_floor", "selector": {"name": "loss"}, "share": 0.25})
    assert CoverageFloor("loss") == as_mapping == CoverageFloor(Loss()) == CoverageFloor()


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["coverage_floor", "proxy_floor", "replay"])
def test_a_share_out_of_range_is_refused(name, share):
    with pytest.raises(SelectorError, match=rf"`share` of '{name}' must be in \[0, 1\], but is {share}"):
        build_selector({"name": name, "share": share})


@pytest.mark.parametrize("outer", [*(kind(Weighing(), 0.3) for kind in KINDS), LHAS(utility=Weighing(), lambda_=0.0)])
def test_importance_weights_of_the_selector_inside_are_passed_on(outer):
    signals = candidates(6)
    inner = rank_checked(Weighing(), signals, {}, RNG)
    assert rank_checked(outer, signals, outer.init(), RNG).weight.tolist() == inner.weight.tolist()
