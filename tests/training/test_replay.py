import numpy as np
from scipy.stats import chisquare

from farsighted.training.replay import replay_order


def test_every_example_is_offered_once():
    assert sorted(replay_order(0, 2, 3, 50)) == list(range(50))


def test_a_draw_is_addressed_by_seed_stage_and_round():
    same = replay_order(0, 2, 3, 50)
    assert same.tolist() == replay_order(0, 2, 3, 50).tolist()
    others = [replay_order(1, 2, 3, 50), replay_order(0, 3, 3, 50), replay_order(0, 2, 4, 50)]
    assert all(other.tolist() != same.tolist() for other in others)


def test_which_comes_first_is_uniform():
    first = np.bincount([replay_order(0, 2, number, 5)[0] for number in range(2000)], minlength=5)
    assert chisquare(first).pvalue > 0.001
