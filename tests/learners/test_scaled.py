import numpy as np
import pytest
import torch

from farsighted.learners.adapters import Lora
from farsighted.learners.passes import Passes, trunk_and_head
from farsighted.learners.scaled import ScaledTrunk, scaled_trunk
from oracles.families import random_model
from oracles.signal_autograd import example_gradients, make_batch, norm_of

BATCH = make_batch([(3, 4), (1, 1), (5, 2)])[1]


@pytest.mark.parametrize(("family", "factor"), [("cohere", 0.0625), ("granite", 1 / 4.0)])
def test_states_times_the_head_are_the_models_logits(family, factor):
    lm = random_model(family)
    trunk, head = trunk_and_head(lm)
    assert isinstance(trunk, ScaledTrunk)
    assert trunk.factor == factor
    ids = torch.arange(12)[None]
    with torch.no_grad():
        torch.testing.assert_close(head.logits(trunk(ids).last_hidden_state), lm(ids).logits)


@pytest.mark.parametrize("family", ["cohere", "granite"])
def test_gradients_are_those_of_the_model_itself(family):
    lm = random_model(family).requires_grad_(requires_grad=False)
    lm = Lora(2, 4.0).apply(lm, np.random.default_rng(0))
    found = Passes(*trunk_and_head(lm)).signals(BATCH, frozenset({"grad_norm", "nll"}))
    for row, tokens in enumerate(BATCH):
        assert found["grad_norm"][row] == pytest.approx(norm_of(example_gradients(lm, tokens)), rel=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2"])
def test_a_model_without_a_constant_is_left_as_it_is(family):
    lm = random_model(family)
    assert scaled_trunk(lm) is lm.base_model
