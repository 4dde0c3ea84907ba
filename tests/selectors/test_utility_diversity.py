import math

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import UtilityDiversity, build_selector, rank_checked
from oracles import selector_loops as loops

RNG = np.random.default_rng(0)


def candidates(seed, count=8):
    rng = np.random.default_rng(seed)
    rows = {"nuclear_norm": rng.gamma(2.0, size=count), "logit_sketch": rng.normal(size=(count, 6))}
    return loops.signals_of({"vocabulary_size": 50}, **rows)


def after(selector, *picked):
    state = selector.init()
    for signals in picked:
        state = selector.observe(state, signals)
    return state


def test_standardized_adds_the_z_scores_of_both_terms():
    selector, seen, signals = UtilityDiversity(alpha=0.7), candidates(0), candidates(1)
    utility = loops.z_scores(signals["nuclear_norm"])
    away = [loops.mean_distance(row, seen["logit_sketch"]) for row in signals["logit_sketch"]]
    expected = [u + 0.7 * d for u, d in zip(utility, loops.z_scores(away), strict=True)]
    ranking = rank_checked(selector, signals, after(selector, seen), RNG)
    np.testing.assert_allclose(ranking.score, expected, rtol=1e-9, atol=1e-12)
    parts = ranking.components
    np.testing.assert_allclose(parts["utility"] + 0.7 * parts["diversity"], ranking.score, rtol=1e-12)


def test_compat_inflates_distances_as_the_reference_does():
    selector, seen, signals = UtilityDiversity("compat"), candidates(0), candidates(1)
    inflation = math.sqrt(50 * 512) / 2
    expected = [
        u + 1.5e-3 * inflation * loops.mean_distance(row, seen["logit_sketch"])
        for u, row in zip(signals["nuclear_norm"], signals["logit_sketch"], strict=True)
    ]
    ranking = rank_checked(selector, signals, after(selector, seen), RNG)
    np.testing.assert_allclose(ranking.score, expected, rtol=1e-9)


def test_an_empty_memory_leaves_the_utility_alone():
    signals = candidates(1)
    for scale in ("standardized", "compat"):
        ranking = UtilityDiversity(scale).rank(signals, UtilityDiversity(scale).init(), RNG)
        assert ranking.order.tolist() == np.argsort(-signals["nuclear_norm"]).tolist()
        assert not ranking.components["diversity"].any()


def test_the_memory_forgets_the_oldest_picks_first():
    selector, signals = UtilityDiversity(memory=5), candidates(0)
    state = after(selector, signals.take([3, 1]), signals.take([0, 2, 4, 7]))
    np.testing.assert_array_equal(state["memory"], signals["logit_sketch"][[1, 0, 2, 4, 7]])


def test_a_term_without_spread_is_zero():
    signals = loops.signals_of(nuclear_norm=[0.1, 0.1, 0.1], logit_sketch=np.eye(3))
    ranking = UtilityDiversity().rank(signals, UtilityDiversity().init(), RNG)
    assert ranking.score.tolist() == [0.0, 0.0, 0.0]


def test_alpha_follows_the_scale_unless_it_is_given():
    assert UtilityDiversity().weight == 1.0
    assert UtilityDiversity("compat").weight == 1.5e-3
    assert UtilityDiversity("compat", alpha=2.0).weight == 2.0


def test_compat_without_a_vocabulary_size_says_what_is_missing():
    signals = loops.signals_of(nuclear_norm=[1.0], logit_sketch=[[1.0]])
    with pytest.raises(SelectorError, match="must hold `vocabulary_size`"):
        UtilityDiversity("compat").rank(signals, UtilityDiversity().init(), RNG)


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(SelectorError, match="`memory` of 'utility_diversity' must be at least 1, but is 0"):
        UtilityDiversity(memory=0)


def test_near_published_is_the_reference_scale_over_all_tokens():
    selector = build_selector({"name": "utility_diversity", "preset": "near_published"})
    assert selector == UtilityDiversity("compat", positions="non_pad")
    assert selector.weight == 1.5e-3
    other = build_selector({"name": "utility_diversity", "preset": "near_published", "memory": 7, "alpha": 1})
    assert other == UtilityDiversity("compat", alpha=1.0, memory=7, positions="non_pad")
