import numpy as np
import pytest
import torch

from benchmarks import gradients, signals
from benchmarks.models import Shape, padded_ids, random_llama, random_texts, takes_large, with_lora
from benchmarks.results import BenchSettings

SMALL = Shape(32, 1, 64, 16)


def test_a_seed_draws_the_same_model_again_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    one, again, other = (random_llama(SMALL, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
    assert not any(parameter.requires_grad for parameter in one.parameters())


def test_adapters_are_drawn_so_that_every_gradient_counts():
    lm = with_lora(random_llama(SMALL, np.random.default_rng(0)), np.random.default_rng(1), 2)
    trained = {name: parameter for name, parameter in lm.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(parameter.abs().max() > 0 for parameter in trained.values())


@pytest.mark.parametrize(("response", "prompt"), [(None, 5), (3, 7)])
def test_texts_have_the_lengths_and_responses_asked_for(response, prompt):
    (tokens,) = random_texts([10], 64, np.random.default_rng(0), response)
    assert len(tokens.ids) == 10
    assert tokens.response_length == 10 - prompt
    assert padded_ids([tokens], "cpu").shape == (1, 10)


def test_a_shape_in_bfloat16_is_measured_like_any_other():
    narrow = Shape(32, 1, 64, 16, "bfloat16")
    assert random_llama(narrow, np.random.default_rng(0)).dtype == torch.bfloat16
    settings = BenchSettings(repeats=1, threads=1)
    assert signals.measure_signals(settings, signals.SignalsSize(narrow, 2, 8)).rows
    part = gradients.measure_gradients(settings, (gradients.GradientsSize(narrow, 2, 8, rank=2),))
    assert part.rows[-1].value < 0.05  # bfloat16 keeps 8 bits


def test_the_large_shape_is_for_accelerators_with_room(monkeypatch):
    assert not takes_large("cpu")
    for total, takes in ((80 * 10**9, True), (16 * 10**9, False)):
        properties = type("Properties", (), {"total_memory": total})
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, found=properties: found)
        assert takes_large("cuda") is takes
