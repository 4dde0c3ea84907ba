import numpy as np
import torch

from farsighted.learners.start import logits_of, reason_of, seeded
from oracles.signal_autograd import tiny_llama


def drawn(seed):
    with seeded(np.random.default_rng(seed)):
        return torch.rand(3)


def test_what_a_library_draws_comes_from_the_generator_alone():
    first = drawn(0)
    torch.rand(5)
    assert torch.equal(drawn(0), first)
    assert not torch.equal(drawn(1), first)


def test_torchs_own_generator_is_where_it_was():
    state = torch.random.get_rng_state()
    drawn(0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_logits_leave_the_model_in_its_mode_and_a_model_without_values_has_none():
    model = tiny_llama(dtype=torch.float32).train()
    logits = logits_of(model)
    assert logits.shape[0] == 1
    assert model.training
    assert logits_of(model.to("meta")) is None


def test_a_reason_is_the_first_line_without_its_full_stop():
    assert reason_of(ValueError("It does not fit.\nMore of it.")) == "It does not fit"
