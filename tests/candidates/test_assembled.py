import numpy as np
import pytest

from farsighted.candidates.assembled import (
    cluster_numbers,
    difficulties,
    known_rows,
    labelled,
    of_passes,
    quality_choice,
    stand_ins,
)
from farsighted.config.quality_source import QualityConfig
from farsighted.core.values import Example, Pool, Tokens
from farsighted.signals.heuristics import difficulty_from_nll


def texts(**labels):
    """Three examples; `labels`: a value for each."""
    return tuple(
        Tokens(Example(f"e{n}", "p", "r", **{name: values[n] for name, values in labels.items()}), (1,) * (n + 2), 1)
        for n in range(3)
    )


def never():
    raise AssertionError("not to be computed")


def rng():
    return np.random.default_rng(0)


def test_a_label_counts_only_where_every_example_carries_it():
    assert labelled(texts(quality=(0.0, 1.0, 0.5)), "quality")
    assert not labelled(texts(quality=(0.0, None, 0.5)), "quality")
    assert not labelled(texts(), "cluster")


def test_difficulty_is_the_label_or_the_rank_of_the_nll():
    assert difficulties(texts(difficulty=(3, 1, 2)), never).tolist() == [3.0, 1.0, 2.0]
    nll_N = np.array([0.5, 9.0, 2.0])
    for lacking in (texts(), texts(difficulty=(3, 1, None))):
        np.testing.assert_array_equal(difficulties(lacking, lambda: nll_N), difficulty_from_nll(nll_N))


def test_clusters_are_labels_numbered_in_order_of_their_names():
    for source in ("auto", "metadata"):
        numbers = cluster_numbers(["b", "a", "b"], never, source, 8, rng())
        assert (numbers.tolist(), numbers.dtype) == ([1, 0, 1], np.int32)


def test_where_labels_are_told_to_count_those_without_are_one_cluster():
    assert cluster_numbers(["b", None, None], never, "metadata", 8, rng()).tolist() == [1, 0, 0]


@pytest.mark.parametrize(("source", "labels"), [("auto", ("b", None, "b")), ("kmeans", ("b", "a", "b"))])
def test_clusters_come_from_k_means_where_labels_are_missing_or_not_wanted(source, labels):
    embedding_ND = np.array([[1.0, 0], [0, 2], [0, 3]])
    numbers = cluster_numbers(labels, lambda: embedding_ND, source, 2, rng())
    # The larger cluster comes first.
    assert (numbers.tolist(), numbers.dtype) == ([1, 0, 0], np.int32)


def test_rows_are_those_asked_for_and_tokens_are_counted():
    measured = {"embedding": np.eye(3), "quality": np.ones(3), "nll": np.arange(3.0)}
    found = known_rows(Pool("p", texts()), measured, ("tokens", "quality", "difficulty"))
    assert found.keys() == {"tokens", "quality", "difficulty"}
    assert (found["tokens"].tolist(), found["tokens"].dtype) == ([1, 2, 3], np.int32)
    assert found["quality"] is measured["quality"]


def test_a_pass_gives_what_the_model_says_of_a_candidate_and_nothing_else():
    known = {"embedding", "cluster", "quality", "difficulty", "tokens", "size", "origin"}
    of_model = {"nll", "hidden", "grad_norm", "nuclear_norm:non_pad"}
    assert of_passes({*known, *of_model, "cluster_count", "proxy_sketch"}) == of_model


def test_heuristics_are_told_as_far_as_they_are_used():
    both = ("quality", "difficulty")
    ruled, ranked = stand_ins(texts(), QualityConfig(), both)
    assert ruled.startswith("quality comes from rule filters")
    assert ranked.startswith("difficulty is the rank of the base model's NLL")
    assert stand_ins(texts(), QualityConfig(), ("difficulty",)) == (ranked,)
    assert stand_ins(texts(), QualityConfig(source="ifd"), both) == (ranked,)
    assert stand_ins(texts(quality=(1, 1, 1), difficulty=(1, 1, 1)), QualityConfig(), both) == ()


@pytest.mark.parametrize(
    ("settings", "words"), [({"source": "ifd"}, "IFD"), ({"source": "rules"}, "rule filters"), ({}, None)]
)
def test_where_quality_comes_from_is_told_where_a_user_chose(settings, words):
    told = quality_choice(QualityConfig(**settings))
    assert len(told) == (words is not None)
    assert words is None or words in told[0]


def test_a_reward_model_is_named():
    (told,) = quality_choice(QualityConfig(source="reward_model", reward_model="owner/name"))
    assert told == "quality comes from the reward model owner/name."
