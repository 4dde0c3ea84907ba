import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.training.weights import weighed

LENGTHS = np.array([1, 3, 4])


def test_weights_are_divided_by_their_mean():
    part = weighed(LENGTHS, np.array([1.0, 2.0, 6.0]))
    assert part.places.tolist() == [0, 1, 2]
    assert part.weight.tolist() == pytest.approx([1 / 3, 2 / 3, 2])


@pytest.mark.parametrize("factor", [1e-300, 1e-3, 1.0, 7.0, 1e300])
def test_equal_weights_are_one_whatever_they_are(factor):
    assert weighed(LENGTHS, np.full(3, factor)).weight.tolist() == [1, 1, 1]


def test_without_weights_all_are_trained_on_and_nothing_is_multiplied():
    part = weighed(LENGTHS, None)
    assert part.places.tolist() == [0, 1, 2]
    assert part.weight is None


@pytest.mark.parametrize("nothing", [0.0, 1e-30])
def test_what_weighs_nothing_is_not_run_and_the_gradient_stays_that_of_the_whole_step(nothing):
    """Weights 3, 0, 1 have the mean 4/3: of 8 tokens, those of e0 count 9/4 each and those of e2 3/4 each."""
    part = weighed(LENGTHS, np.array([3.0, nothing, 1.0]))
    assert part.places.tolist() == [0, 2]
    lengths = np.array([1, 4])
    assert (part.weight * lengths / lengths.sum()).tolist() == pytest.approx([9 / 4 / 8, 3 / 4 * 4 / 8])


def test_a_step_of_weights_that_are_all_zero_is_the_selectors_mistake():
    with pytest.raises(SelectorError, match=r"all 3 of this one have 0\. Give every example"):
        weighed(LENGTHS, np.zeros(3))
