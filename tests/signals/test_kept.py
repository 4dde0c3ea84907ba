import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from farsighted.signals.gradients import PerExampleGradients, build_gradient_maps
from farsighted.signals.kept import kept_bytes
from farsighted.signals.logits import Head
from farsighted.signals.scoring import scoring_pass
from oracles.signal_autograd import VOCABULARY, add_lora, example_gradients, make_batch, randomize, tiny_llama

SHAPES = [(3, 4), (1, 1), (5, 1), (2, 7), (9, 6)]
IDS, BATCH = make_batch(SHAPES)
WEIGHTS = [[1, 0, 0, 0, 0], [0.2, 0.3, 0, 0.4, 0.1], [0, 0, -2.0, 0, 5]]


def full(dtype=torch.float64):
    model = tiny_llama(dtype=dtype)
    model.lm_head.requires_grad_(requires_grad=False)
    return model


def neox():
    """An architecture with biases and LayerNorm."""
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = GPTNeoXForCausalLM(GPTNeoXConfig(**shape, vocab_size=VOCABULARY, max_position_embeddings=64))
    model = model.double().eval()
    randomize(model, 0)
    model.get_output_embeddings().requires_grad_(requires_grad=False)
    return model


MODELS = {
    "lora": lambda: add_lora(tiny_llama()),
    "rank 1": lambda: add_lora(tiny_llama(), r=1, lora_alpha=7),
    "rank above width": lambda: add_lora(tiny_llama(), r=40, target_modules="all-linear"),
    "rank-stabilised": lambda: add_lora(tiny_llama(), r=4, use_rslora=True),
    "full": full,
    "biases and layer norms": neox,
    "tied": lambda: tiny_llama(tie_word_embeddings=True),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def kept_of(model, **options):
    head = Head(model.get_output_embeddings().weight).detached()
    capture = PerExampleGradients(model.base_model, keep=True, **options)
    return scoring_pass(capture, model.base_model, IDS, BATCH, head).gradients.kept


@every_model
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_a_weighted_sum_is_that_of_the_examples_own_gradients(make, weights):
    model = make()
    found = kept_of(model).weighted_sum(torch.tensor(weights))
    truth = [example_gradients(model, tokens) for tokens in BATCH]
    prefix = f"{model.base_model_prefix}."
    for name in truth[0]:
        wanted = sum(weight * gradients[name] for weight, gradients in zip(weights, truth, strict=True))
        # The norms inside of the model round to float32.
        torch.testing.assert_close(found.pop(name.removeprefix(prefix)), wanted, rtol=1e-5, atol=1e-6)
    assert not found


@every_model
def test_what_is_kept_is_foretold_and_smaller_than_the_gradients_themselves(make):
    model = make()
    kept = kept_of(model)
    whole = sum(8 * p.numel() for p in model.base_model.parameters() if p.requires_grad) * len(BATCH)
    assert kept.nbytes <= whole
    assert kept.nbytes <= kept_bytes(model.base_model, len(BATCH), IDS.shape[1])


def test_rows_of_weight_zero_are_left_out_and_none_gives_zeros():
    found = kept_of(full()).weighted_sum(torch.zeros(len(BATCH)))
    assert all(bool((gradient == 0).all()) for gradient in found.values())


def test_kept_gradients_are_those_of_the_examples_and_not_scaled():
    model = add_lora(tiny_llama())
    with PerExampleGradients(model, keep=True) as capture, pytest.raises(ValueError, match="Kept gradients are not"):
        capture.collect(1, torch.ones(1))


def test_only_a_capture_that_keeps_holds_on_to_gradients():
    model = add_lora(tiny_llama())
    maps = build_gradient_maps(model.base_model, np.random.default_rng(0), 4)
    capture = PerExampleGradients(model.base_model, maps)
    head = Head(model.lm_head.weight)
    assert scoring_pass(capture, model.base_model, IDS, BATCH, head).gradients.kept is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_wide_whatever_the_model_holds(dtype):
    model = full(dtype)
    found, wide = kept_of(model), kept_of(full())
    weights = torch.tensor(WEIGHTS[1])
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    for name, gradient in found.weighted_sum(weights).items():
        assert gradient.dtype == torch.float32
        wanted = wide.weighted_sum(weights)[name].float()
        assert float((gradient - wanted).norm()) <= tolerance * float(wanted.norm())
