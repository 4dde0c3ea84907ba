import math

import numpy as np
import pytest

from farsighted.config.quadratic import QuadraticConfig
from farsighted.core.errors import DataError
from farsighted.phase_map.measure import (
    PoolSignals,
    mean_closeness,
    measure_pools,
    mixture_overlap,
    noise_share,
    rank_share,
    redundancy,
)
from farsighted.worlds.quadratic import build_world


def spread(rng, count, width=16):
    return rng.normal(size=(count, width))


def pool(embedding_ND, cluster=0, quality=None, nll=None):
    return PoolSignals(embedding_ND, np.full(len(embedding_ND), cluster), quality, nll)


def test_the_overlap_of_mixtures_is_1_for_equal_and_0_for_disjoint_ones():
    assert mixture_overlap(np.array([0, 1]), np.array([1, 0, 0, 1])) == 1
    assert mixture_overlap(np.array([0, 0]), np.array([1])) == 0


@pytest.mark.parametrize("alignment", [0.0, 0.3, 1.0])
def test_the_overlap_is_the_worlds_alignment_but_for_sampling(alignment):
    world = build_world(QuadraticConfig(train=4000, validation=1, alignment=alignment), 0)
    first, second = ([int(text.example.cluster[-1]) for text in stage.train] for stage in world.stages[:2])
    assert mixture_overlap(np.array(first), np.array(second)) == pytest.approx(alignment, abs=0.04)


def test_pools_with_one_mean_are_close_and_opposite_ones_are_not():
    rng = np.random.default_rng(0)
    assert mean_closeness(spread(rng, 300), spread(rng, 300)) > 0.98
    one_ND = np.tile([1.0, 0.0], (5, 1))
    assert mean_closeness(one_ND, -one_ND) == 0


def test_a_direction_that_all_embeddings_share_leaves_neither_closeness_nor_redundancy_where_it_was_not():
    rng = np.random.default_rng(1)
    first_ND, second_ND = spread(rng, 200), spread(rng, 200)
    shift_D = np.array([30.0] + [0.0] * 15)
    assert mean_closeness(first_ND + shift_D, second_ND + shift_D) > 0.98
    assert redundancy(first_ND + shift_D) == pytest.approx(redundancy(first_ND), abs=0.08)


def test_repeats_raise_redundancy_and_equal_examples_have_all_of_it():
    rng = np.random.default_rng(2)
    loose_ND = spread(rng, 200)
    repeats_ND = loose_ND[np.arange(200) % 20] + 0.05 * spread(rng, 200)
    assert redundancy(loose_ND) < 0.5
    assert redundancy(repeats_ND) > 0.9
    assert redundancy(np.ones((9, 4))) == 1
    assert math.isnan(redundancy(np.eye(2)))


def test_redundancy_of_a_large_pool_is_that_of_a_sample_of_it():
    rng = np.random.default_rng(3)
    large_ND = spread(rng, 3000)
    assert redundancy(large_ND) == pytest.approx(redundancy(large_ND[:640]), abs=0.02)


def test_noise_is_the_share_of_nll_that_goes_with_low_quality():
    quality_N = np.array([0.0, 0.5, 1.0, 0.0, 0.5, 1.0])
    nll_N = 1 + 3 * (1 - quality_N) ** 2 + np.array([0, 0, 0, 5, 5, 5.0])  # a harder group is no noise
    extra = 3 * np.mean((1 - quality_N) ** 2)
    assert noise_share(quality_N, nll_N, np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(extra / nll_N.mean())


def test_noise_is_none_where_quality_says_nothing_of_nll_and_unknown_where_it_is_constant():
    rng = np.random.default_rng(4)
    quality_N = rng.random(500)
    assert noise_share(quality_N, quality_N, np.zeros(500, dtype=int)) == 0  # better is likelier to be hard
    assert math.isnan(noise_share(np.ones(500), rng.random(500), np.zeros(500, dtype=int)))


def test_pools_without_quality_have_unknown_noise_and_a_single_stage_no_alignment():
    rng = np.random.default_rng(5)
    found = measure_pools([pool(spread(rng, 30), nll=rng.random(30))])
    assert math.isnan(found.noise)
    assert math.isnan(found.alignment)
    assert math.isnan(found.embedding_alignment)
    assert 0 < found.redundancy < 1
    assert found.width == 16


def test_pools_of_different_widths_are_refused():
    rng = np.random.default_rng(6)
    with pytest.raises(DataError, match="one width"):
        measure_pools([pool(spread(rng, 5)), pool(spread(rng, 5, width=3))])


def test_the_share_of_a_rank_is_at_most_1():
    assert (rank_share(12, 48), rank_share(64, 48)) == (0.25, 1.0)
