import numpy as np

from farsighted.selectors import Loss
from oracles.selector_loops import signals_of


def test_the_largest_loss_comes_first_and_ties_keep_their_rows():
    ranking = Loss().rank(signals_of(nll=[0.5, 2.0, 0.1, 2.0]), {}, np.random.default_rng(0))
    assert ranking.order.tolist() == [1, 3, 0, 2]
    assert ranking.score.tolist() == [0.5, 2.0, 0.1, 2.0]
