import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import Quality, rank_checked
from oracles.selector_loops import signals_of

RNG = np.random.default_rng(0)


def test_the_best_judged_comes_first():
    assert Quality().rank(signals_of(quality=[0.2, 0.9, 0.5]), {}, RNG).order.tolist() == [1, 2, 0]


def test_an_example_without_quality_is_an_error_that_says_how_to_supply_it():
    signals = signals_of(quality=[0.2, np.nan, np.nan])
    sentence = r"2 of 3 have none \(the first is 'a1'\)\. Add the field `quality`"
    with pytest.raises(SelectorError, match=sentence):
        Quality().rank(signals, {}, RNG)
    with pytest.raises(SelectorError, match=sentence):
        rank_checked(Quality(), signals, {}, RNG)
