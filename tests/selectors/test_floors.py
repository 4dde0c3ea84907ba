import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farsighted.selectors.base import Clusters
from farsighted.selectors.floors import Largest, LeastServed, Marked, floored
from oracles import floor_loops

COUNT = st.integers(1, 12)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])


@st.composite
def rankings(draw):
    """An order, sizes, and a small whole number for each row."""
    count = draw(COUNT)
    order = draw(st.permutations(range(count)))
    numbers = st.lists(st.integers(0, 3), min_size=count, max_size=count)
    sizes = [1 + number for number in draw(numbers)]
    return list(order), sizes, draw(numbers)


@given(rankings(), SHARES)
def test_marked_candidates_keep_their_share_as_the_slow_loop_does(ranking, share):
    order, sizes, marks = ranking
    found = floored(np.array(order), np.array(sizes, float), share, Marked(np.array(marks), np.array(order)))
    picked, _ = floor_loops.replay(order, sizes, share, marks)
    assert found.order.tolist() == picked


@given(rankings(), SHARES, st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_least_served_clusters_keep_their_share_as_the_slow_loop_does(ranking, share, served):
    order, sizes, cluster = ranking
    floor = LeastServed(Clusters(np.array(cluster), 4), np.array(served), np.array(order))
    found = floored(np.array(order), np.array(sizes, float), share, floor)
    assert found.order.tolist() == floor_loops.coverage_floor(order, sizes, share, cluster, served)[0]


@given(rankings(), SHARES)
def test_the_largest_values_keep_their_share_as_the_slow_loop_does(ranking, share):
    order, sizes, value = ranking
    found = floored(np.array(order), np.array(sizes, float), share, Largest(np.array(value), np.array(order)))

    def counting(left, _picked):
        largest = max(value[row] for row in left)
        return [row for row in left if value[row] == largest]

    assert found.order.tolist() == floor_loops.floored(order, sizes, share, counting)[0]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_changes_nothing_and_one_of_all_puts_the_marked_first(share):
    order, marks = np.array([3, 1, 0, 2]), np.array([0, 0, 5, 0])
    found = floored(order, np.ones(4), share, Marked(marks, order))
    assert found.order.tolist() == ([3, 1, 0, 2] if share == 0 else [2, 3, 1, 0])
    assert found.asked.tolist() == [False, False, share == 1, False]
