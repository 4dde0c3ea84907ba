"""Families in half precision through a stage boundary, at the level of a learner."""

import numpy as np
import pytest

from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.transitions import MergeAndReinit, Stack
from farsighted.models.loading import load_model
from oracles.families import save_family
from oracles.signal_autograd import make_batch

SETTINGS = LearnerSettings(OptimizerSettings(2e-2, "constant", warmup_share=0.0))
BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])[1]
TRANSITIONS = {"continue": None, "merge": MergeAndReinit(), "stack": Stack()}
ROUNDING = {"bfloat16": 2**-8, "float16": 2**-11}
"""Half the distance between a number near 1 and the next."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {family: save_family(family, tmp_path_factory.mktemp(family)) for family in ("llama", "qwen", "mistral")}


def learner(folder, dtype, transition, **options):
    lora = Lora(3, 5.0, transition=transition, **options)
    return CausalLM(load_model(folder, dtype, "cpu"), "hash", lora, SETTINGS, 0)


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("family", ["llama", "qwen", "mistral"])
def test_a_boundary_changes_a_model_in_half_precision_by_rounding_alone_and_can_be_loaded(
    folders, family, transition, dtype
):
    found = learner(folders[family], dtype, TRANSITIONS[transition])
    found.self_test(BATCH)
    start = found.likelihoods(BATCH).nll_sum
    found.begin_stage(4)
    for step in range(4):
        found.step(BATCH, np.random.default_rng(step))
    before = found.likelihoods(BATCH).nll_sum
    found.next_stage(2)
    after = found.likelihoods(BATCH).nll_sum
    assert np.abs(before - start).max() > 10 * ROUNDING[dtype]
    np.testing.assert_allclose(after, before, rtol=8 * ROUNDING[dtype])
    found.self_test(BATCH)

    again = learner(folders[family], dtype, TRANSITIONS[transition])
    again.load_parameters(found.parameters())
    np.testing.assert_array_equal(again.likelihoods(BATCH).nll_sum, after)
    for one in (found, again):
        one.begin_stage(2)
        one.step(BATCH, np.random.default_rng(9))
    mine, theirs = found.parameters(), again.parameters()
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_a_trained_head_that_is_tied_to_the_embedding_goes_through_a_boundary(folders, transition):
    found = learner(folders["qwen"], "float32", TRANSITIONS[transition], train_head=True)
    found.begin_stage(4)
    found.step(BATCH, np.random.default_rng(0))
    before = found.likelihoods(BATCH).nll_sum
    found.next_stage(2)
    np.testing.assert_allclose(found.likelihoods(BATCH).nll_sum, before, rtol=1e-5)
    found.self_test(BATCH)
    again = learner(folders["qwen"], "float32", TRANSITIONS[transition], train_head=True)
    again.load_parameters(found.parameters())
    np.testing.assert_allclose(again.likelihoods(BATCH).nll_sum, found.likelihoods(BATCH).nll_sum, rtol=1e-6)
