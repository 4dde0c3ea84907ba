import dataclasses

import numpy as np
import pytest

from farsighted.config.quadratic import QuadraticConfig
from farsighted.worlds.quadratic import build_world, own_weights

CONFIG = QuadraticConfig(train=2000, validation=300, ood=200, proxy=40)


@pytest.fixture(scope="module")
def world():
    return build_world(CONFIG, seed=1)


def rows(texts):
    return np.array([text.ids[0] for text in texts])


def capability(texts):
    return np.array([int(text.example.cluster.split()[1]) for text in texts])


def test_the_same_configuration_and_seed_give_the_same_world(world):
    assert build_world(CONFIG, seed=1).hash == world.hash
    assert build_world(CONFIG, seed=2).hash != world.hash


def test_every_row_of_the_tables_belongs_to_one_text(world):
    used = np.concatenate([rows(texts) for stage in world.stages for texts in stage[1:]])
    assert sorted(used) == list(range(len(world.target_N)))
    assert len(world.direction_ND) == len(world.embedding_NE) == len(world.target_N)


def test_sets_have_the_sizes_asked_for_and_ids_are_unique(world):
    for stage in world.stages:
        assert [len(texts) for texts in stage[1:]] == [2000, 300, 200, 40]
    ids = [text.example.id for stage in world.stages for texts in stage[1:] for text in texts]
    assert len(ids) == len(set(ids))


def test_directions_and_embeddings_have_length_one(world):
    assert np.allclose(np.linalg.norm(world.direction_ND, axis=1), 1)
    assert np.allclose(np.linalg.norm(world.embedding_NE, axis=1), 1, atol=1e-6)


def test_examples_of_one_capability_span_its_subspace_and_the_rare_one(world):
    texts = [text for stage in world.stages for text in stage.train]
    for number in range(CONFIG.clusters):
        mine = world.direction_ND[rows(texts)[capability(texts) == number]]
        assert np.linalg.matrix_rank(mine, tol=1e-8) == 2 * CONFIG.cluster_dimensions


def test_without_conflict_and_noise_one_vector_fits_every_example():
    world = build_world(QuadraticConfig(conflict=0, noise=0, train=300), seed=0)
    best, *_ = np.linalg.lstsq(world.direction_ND, world.target_N)
    assert np.allclose(world.direction_ND @ best, world.target_N)


def test_with_conflict_no_vector_fits_two_capabilities():
    world = build_world(QuadraticConfig(conflict=1, noise=0, train=300), seed=0)
    best, *_ = np.linalg.lstsq(world.direction_ND, world.target_N)
    assert np.abs(world.direction_ND @ best - world.target_N).mean() > 0.1


def test_validation_asks_for_the_stages_own_capabilities_and_a_pool_holds_the_stated_share_of_all(world):
    for index, stage in enumerate(world.stages):
        own = np.flatnonzero(own_weights(CONFIG, index))
        assert set(capability(stage.validation)) == set(own)
        share = np.isin(capability(stage.train), own).mean()
        expected = 1 - CONFIG.alignment + CONFIG.alignment * CONFIG.own / CONFIG.clusters
        # Three standard errors of a share over 2,000 draws.
        assert abs(share - expected) < 3 * np.sqrt(expected * (1 - expected) / 2000)


def test_under_full_alignment_all_pools_have_the_same_mixture():
    config = QuadraticConfig(alignment=1, train=4000)
    counts = [np.bincount(capability(stage.train), minlength=8) for stage in build_world(config, 0).stages]
    # Three standard deviations of a count of 4,000 draws at one in eight.
    assert np.all(np.abs(np.array(counts) - 500) < 4 * np.sqrt(4000 / 8 * 7 / 8))


def test_noise_is_what_quality_lacks():
    noisy = build_world(CONFIG.model_copy(update={"noise": 4.0}), seed=1)
    exact = build_world(CONFIG.model_copy(update={"noise": 0.0}), seed=1)
    texts = noisy.stages[0].train
    error = (noisy.target_N - exact.target_N)[rows(texts)]
    lacking = 1 - np.array([text.example.quality for text in texts])
    assert np.std(error[lacking > 0.05] / lacking[lacking > 0.05]) == pytest.approx(4.0, rel=0.06)


def test_evaluation_and_proxy_sets_are_free_of_noise():
    noisy, exact = (build_world(CONFIG.model_copy(update={"noise": noise}), seed=1) for noise in (4.0, 0.0))
    for stage in noisy.stages:
        for texts in (stage.validation, stage.ood, stage.proxy):
            assert np.array_equal(noisy.target_N[rows(texts)], exact.target_N[rows(texts)])


def test_harder_examples_lie_more_in_the_subspace_that_all_share(world):
    texts = [text for stage in world.stages for text in stage.train]
    of = capability(texts)
    spans = [
        np.linalg.svd(world.direction_ND[rows(texts)[of == n]])[2][: 2 * CONFIG.cluster_dimensions] for n in (0, 4)
    ]
    # What two capabilities share beyond their common part: directions that lie in both spans.
    _, value, right = np.linalg.svd(spans[0] @ spans[1].T)
    shared = right[value > 1 - 1e-8] @ spans[1]
    assert len(shared) == CONFIG.cluster_dimensions
    inside = np.linalg.norm(world.direction_ND[rows(texts)] @ shared.T, axis=1)
    difficulty = np.array([text.example.difficulty for text in texts])
    assert np.allclose(inside, difficulty / np.hypot(difficulty, 1 - difficulty))


def test_redundancy_makes_near_repeats():
    for share in (0.0, 0.6):
        world = build_world(QuadraticConfig(redundancy=share, train=1000), seed=0)
        x = world.direction_ND[rows(world.stages[0].train)]
        near = (x @ x.T - 2 * np.eye(len(x))).max(axis=1) > 0.99
        assert abs(near.mean() - share) < 0.2


def test_evaluation_sets_do_not_depend_on_the_pools(world):
    other = build_world(CONFIG.model_copy(update={"train": 10, "redundancy": 0.9}), seed=1)
    for mine, theirs in zip(world.stages, other.stages, strict=True):
        assert np.array_equal(world.direction_ND[rows(mine.ood)], other.direction_ND[rows(theirs.ood)])
        assert [t.example for t in mine.validation] == [t.example for t in theirs.validation]


def test_texts_are_one_token_long(world):
    assert {(len(t.ids), t.response_length) for stage in world.stages for t in stage.train} == {(1, 1)}
    assert dataclasses.replace(world.stages[0].train[0]).example.prompt == ""


def test_a_wrong_proxy_changes_the_proxy_alone(world):
    for kind in ("first_stage", "shuffled"):
        other = build_world(CONFIG.model_copy(update={"proxy_kind": kind}), seed=1)
        for mine, theirs in zip(world.stages, other.stages, strict=True):
            assert [t.example for t in mine.train] == [t.example for t in theirs.train]
            assert np.array_equal(world.target_N[rows(mine.validation)], other.target_N[rows(theirs.validation)])


def test_a_proxy_of_the_first_stage_knows_no_other_capabilities():
    world = build_world(CONFIG.model_copy(update={"proxy_kind": "first_stage"}), seed=1)
    assert all(set(capability(stage.proxy)) == {0, 1} for stage in world.stages)


def test_a_shuffled_proxy_has_the_right_targets_in_the_wrong_places(world):
    other = build_world(CONFIG.model_copy(update={"proxy_kind": "shuffled"}), seed=1)
    for mine, theirs in zip(world.stages, other.stages, strict=True):
        a, b = world.target_N[rows(mine.proxy)], other.target_N[rows(theirs.proxy)]
        assert not np.array_equal(a, b)
        assert np.array_equal(np.sort(a), np.sort(b))
