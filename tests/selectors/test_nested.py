import numpy as np

from farsighted.selectors.nested import as_inner, inner_of, own_of


def test_a_state_inside_another_comes_out_as_it_went_in_at_any_depth():
    innermost = {"memory": np.arange(3)}
    middle = {"count": np.zeros(2), **as_inner(innermost)}
    outer = {"count": np.ones(2), **as_inner(middle)}
    assert inner_of(outer).keys() == middle.keys()
    assert inner_of(inner_of(outer))["memory"].tolist() == [0, 1, 2]
    assert inner_of(outer)["count"].tolist() == [0, 0]


def test_what_the_outer_one_remembers_is_the_rest():
    outer = {"count": np.ones(2), **as_inner({"count": np.zeros(2)})}
    assert list(own_of(outer)) == ["count"]
    assert own_of(outer)["count"].tolist() == [1, 1]
