import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import FacilityLocation, rank_checked
from farsighted.selectors.facility import neighbour_graph
from oracles import facility_loops
from oracles.selector_loops import signals_of

RNG = np.random.default_rng(0)


def points(seed, count, width=5):
    found = np.random.default_rng(seed).normal(size=(count, width))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def ranked(selector, embedding, *history):
    state = selector.init()
    for picked in history:
        state = selector.observe(state, signals_of(embedding=picked))
    return rank_checked(selector, signals_of(embedding=embedding), state, RNG)


@pytest.mark.parametrize("neighbours", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("earlier", [0, 3])
def test_the_order_is_that_of_the_plain_greedy_loop_over_all_gains(neighbours, earlier):
    embedding, history = points(1, 24), points(2, earlier)
    ranking = ranked(FacilityLocation(neighbours), embedding, *([history] if earlier else []))
    order, gain = facility_loops.facility_location(embedding, history, neighbours)
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.score, gain, rtol=1e-9, atol=1e-12)


def test_gains_never_increase_along_the_order():
    ranking = ranked(FacilityLocation(8), points(3, 200), points(4, 20))
    assert np.all(np.diff(ranking.score[ranking.order]) <= 0)


def test_the_first_pick_stands_for_the_largest_group():
    embedding = np.repeat(np.eye(3), [2, 5, 3], axis=0) + 0.01 * points(5, 10, 3)
    first = ranked(FacilityLocation(), embedding).order[:3]
    assert [int(np.argmax(embedding[row])) for row in first] == [1, 2, 0]


def test_equal_candidates_count_as_many_and_the_second_of_them_comes_last():
    # Three equal ones outweigh a pair; after one of each nothing is gained, and the rest follows by row.
    embedding = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    ranking = ranked(FacilityLocation(), embedding)
    assert ranking.order.tolist() == [1, 0, 2, 3, 4]
    assert ranking.score.tolist() == [2.0, 3.0, 0.0, 0.0, 0.0]


def test_what_history_stands_for_is_not_chosen_again():
    embedding = np.eye(3)
    ranking = ranked(FacilityLocation(), embedding, embedding[[0]], embedding[[2]])
    assert ranking.order.tolist() == [1, 0, 2]
    assert ranking.score.tolist() == [0.0, 1.0, 0.0]


def test_history_too_far_to_be_a_neighbour_stands_for_nobody():
    # Two tight pairs; the history lies between them, less similar to any than the other of its pair is.
    embedding = np.array([[1.0, 0.0], [0.999, 0.0447], [0.0, 1.0], [0.0447, 0.999]])
    between = np.array([[0.7071, 0.7071]])
    assert ranked(FacilityLocation(2), embedding, between).score.max() == pytest.approx(2, abs=0.01)
    assert ranked(FacilityLocation(4), embedding, between).score.max() < 1


def test_the_first_picks_cover_almost_as_much_as_the_best_ones():
    embedding = points(6, 11, 3)
    order = ranked(FacilityLocation(11), embedding).order
    for size in (1, 2, 3):
        best = facility_loops.best_coverage(embedding, size)
        assert facility_loops.coverage(embedding, order[:size]) >= (1 - 1 / np.e) * best


def test_an_example_without_direction_stands_for_itself_alone():
    ranking = ranked(FacilityLocation(), np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    assert ranking.order.tolist() == [1, 0, 2]
    assert ranking.score.tolist() == [1.0, 2.0, 0.0]


def test_the_graph_holds_the_most_similar_of_each():
    unit = points(7, 40)
    graph = neighbour_graph(unit, 6)
    served = {(int(i), j) for j in range(40) for i in graph.served[graph.start[j] : graph.start[j + 1]]}
    nearest = np.argsort(-(unit @ unit.T), axis=1)[:, :6]
    assert served == {(i, int(j)) for i in range(40) for j in nearest[i]}


def test_no_neighbour_at_all_is_refused():
    with pytest.raises(SelectorError, match="`neighbours` of 'facility_location' must be at least 1, but is 0"):
        FacilityLocation(0)
