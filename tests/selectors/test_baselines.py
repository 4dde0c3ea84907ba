import itertools
from collections import Counter

import numpy as np

from farsighted.selectors import ComputeMatchedRandom, Random
from oracles.selector_loops import signals_of

THREE = signals_of(nll=[1.0, 2.0, 3.0])


def test_random_gives_every_order_equally_often():
    rng = np.random.default_rng(0)
    counts = Counter(tuple(Random().rank(THREE, {}, rng).order.tolist()) for _ in range(6000))
    assert set(counts) == set(itertools.permutations(range(3)))
    # 1000 expected for each of 6, standard deviation 29; 5 of them allowed.
    assert max(abs(count - 1000) for count in counts.values()) < 145


def test_the_matched_baseline_ranks_like_random_and_only_says_that_it_is_matched():
    one = Random().rank(THREE, {}, np.random.default_rng(3))
    other = ComputeMatchedRandom().rank(THREE, {}, np.random.default_rng(3))
    assert one.order.tolist() == other.order.tolist()
    assert ComputeMatchedRandom().demands.matched_compute
    assert not Random().demands.matched_compute
    assert Random().family == ComputeMatchedRandom().family == "random"


def test_random_reads_and_remembers_nothing():
    assert Random().needs == frozenset()
    assert Random().observe(Random().init(), THREE) == {}
