import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import Diversity, rank_checked
from oracles import selector_loops as loops

RNG = np.random.default_rng(0)


def candidates(seed, count=9):
    rng = np.random.default_rng(seed)
    rows = {"embedding": rng.normal(size=(count, 4)), "cluster": rng.integers(3, size=count)}
    return loops.signals_of({"cluster_count": 4}, **rows)


def test_farthest_first_is_seeded_by_everything_selected_before():
    selector, first, second, third = Diversity(), candidates(0), candidates(1), candidates(2)
    state = selector.observe(selector.observe(selector.init(), first.take([2, 0])), second.take([5]))
    history = [first["embedding"][2], first["embedding"][0], second["embedding"][5]]
    ranking = rank_checked(selector, third, state, RNG)
    order, distance = loops.farthest_first(third["embedding"], history)
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.score, distance, rtol=1e-9)


def test_what_was_selected_already_comes_last():
    selector, signals = Diversity(), candidates(0)
    state = selector.observe(selector.init(), signals.take([4]))
    ranking = selector.rank(signals, state, RNG)
    assert ranking.order[-1] == 4
    assert ranking.score[4] == 0.0


@pytest.mark.parametrize("served", [(0, 0, 0, 0), (3, 0, 1, 0), (0, 9, 9, 0)])
def test_clusters_equals_serving_one_example_at_a_time(served):
    signals = candidates(3, count=12)
    ranking = rank_checked(Diversity("clusters"), signals, {"served": np.array(served)}, RNG)
    assert ranking.order.tolist() == loops.round_robin(signals["embedding"], signals["cluster"].tolist(), served)


def test_clusters_counts_what_it_served():
    selector = Diversity("clusters")
    signals = loops.signals_of({"cluster_count": 3}, embedding=np.eye(4), cluster=[2, 0, 2, 1])
    state = selector.observe(selector.observe(selector.init(), signals.take([0, 1])), signals.take([2]))
    assert state["served"].tolist() == [1, 0, 2]


def test_clusters_takes_one_of_each_before_a_second_of_any():
    signals = candidates(4, count=12)
    order = Diversity("clusters").rank(signals, Diversity("clusters").init(), RNG).order
    present = set(signals["cluster"].tolist())
    assert {int(signals["cluster"][row]) for row in order[: len(present)]} == present


def test_a_cluster_beyond_the_count_is_refused():
    signals = loops.signals_of({"cluster_count": 2}, embedding=np.eye(3), cluster=[0, 1, 2])
    with pytest.raises(SelectorError, match=r"must be in 0\.\.1, but reaches from 0 to 2"):
        Diversity("clusters").rank(signals, Diversity("clusters").init(), RNG)


def test_only_clusters_reads_the_cluster():
    assert Diversity().needs == {"embedding"}
    assert Diversity("clusters").needs == {"embedding", "cluster"}
