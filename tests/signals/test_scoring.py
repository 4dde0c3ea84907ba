import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from farsighted.core.errors import ModelError
from farsighted.signals.factors import Outer, Product
from farsighted.signals.gradients import PerExampleGradients, build_gradient_maps
from farsighted.signals.logits import Head
from farsighted.signals.scoring import scoring_pass, self_test
from farsighted.signals.sketch import SketchSum
from oracles.signal_autograd import (
    add_lora,
    example_gradients,
    make_batch,
    norm_of,
    response_states,
    sketch_of,
    tiny_llama,
)

SHAPES = [(3, 4), (1, 1), (5, 1), (2, 7)]


def full(**options):
    model = tiny_llama(**options)
    model.lm_head.requires_grad_(requires_grad=False)
    return model


def only_norms_and_biases():
    model = full(attention_bias=True)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.dim() == 1)
    return model


MODELS = {
    "full": full,
    "norms and biases": only_norms_and_biases,
    "lora": lambda: add_lora(tiny_llama()),
    "lora r=1": lambda: add_lora(tiny_llama(), r=1, lora_alpha=16, target_modules=["o_proj"]),
    "lora everywhere": lambda: add_lora(
        tiny_llama(),
        r=20,
        use_rslora=True,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    ),
    "lora with bias": lambda: add_lora(tiny_llama(attention_bias=True), lora_bias=True),
    "lora and saved norm": lambda: add_lora(tiny_llama(), modules_to_save=["norm"]),
    "lora, tied frozen head": lambda: add_lora(tiny_llama(tie_word_embeddings=True)),
}


def score(model, maps, shapes):
    ids, batch = make_batch(shapes)
    capture = PerExampleGradients(model, maps)
    return scoring_pass(capture, model.model, ids, batch, Head(model.lm_head.weight)), batch


def check(model, shapes):
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    found, batch = score(model, maps, shapes)
    truth = [example_gradients(model, tokens) for tokens in batch]
    np.testing.assert_allclose(found.gradients.norm_B, [norm_of(gradients) for gradients in truth], rtol=1e-5)
    wanted = torch.stack([sketch_of(gradients, maps) for gradients in truth]).float()
    torch.testing.assert_close(found.gradients.sketch_BK, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_norms_and_sketches_equal_autograd_one_example_at_a_time(name):
    check(MODELS[name](), SHAPES)


LORA = MODELS["lora"]()
FULL = full()


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4), st.booleans())
def test_any_mix_of_lengths_equals_autograd(shapes, lora):
    check(LORA if lora else FULL, shapes)


def test_single_precision_stays_within_1e4_of_double():
    double, single = (MODELS["lora"]().to(dtype) for dtype in (torch.float64, torch.float32))
    norms = [score(model, None, SHAPES)[0].gradients.norm_B for model in (double, single)]
    torch.testing.assert_close(norms[1], norms[0], rtol=1e-4, atol=0)


def test_half_precision_passes_with_finite_float32_results():
    found = score(full(dtype=torch.bfloat16), None, SHAPES)[0].gradients.norm_B
    torch.testing.assert_close(found, score(full(), None, SHAPES)[0].gradients.norm_B, rtol=0.1, atol=0)


@pytest.mark.parametrize("name", ["full", "lora"])
def test_grad_modes_and_hooks_are_as_they_were(name):
    model = MODELS[name]().train()
    marked = next(parameter for parameter in model.parameters() if parameter.requires_grad)
    marked.grad = torch.full_like(marked, 7.0)
    score(model, None, SHAPES)
    assert (marked.grad == 7).all()
    assert all(parameter.grad is None for parameter in model.parameters() if parameter is not marked)
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_dropout_is_off_while_scoring():
    model = add_lora(tiny_llama(), lora_dropout=0.5).train()
    check(model.eval(), SHAPES)
    reference = score(model, None, SHAPES)[0].gradients.norm_B
    assert torch.equal(score(model.train(), None, SHAPES)[0].gradients.norm_B, reference)


def test_scoring_works_where_the_caller_has_switched_gradients_off():
    with torch.no_grad():
        found = score(LORA, None, SHAPES)[0]
    assert found.gradients.sketch_BK is None
    assert torch.equal(found.gradients.norm_B, score(LORA, None, SHAPES)[0].gradients.norm_B)


def test_the_same_pass_gives_the_response_positions_for_forward_signals():
    found, batch = score(LORA, None, SHAPES)
    assert not found.ragged.hidden_RD.requires_grad
    wanted = torch.cat([response_states(LORA.model, tokens) for tokens in batch])
    torch.testing.assert_close(found.ragged.hidden_RD, wanted.detach())


def test_a_sketch_without_norms_may_be_asked_for():
    maps = build_gradient_maps(LORA, np.random.default_rng(0), 4)
    ids, batch = make_batch(SHAPES)
    capture = PerExampleGradients(LORA, maps, want_norm=False)
    gradients = scoring_pass(capture, LORA.model, ids, batch, Head(LORA.lm_head.weight)).gradients
    assert gradients.norm_B is None
    assert gradients.sketch_BK.shape == (4, 16)


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_a_trained_embedding_that_is_the_head_too_has_both_parts(softcap):
    model = tiny_llama(tie_word_embeddings=True)
    ids, batch = make_batch(SHAPES)
    maps = build_gradient_maps(model.model, np.random.default_rng(0), 4)
    found = scoring_pass(
        PerExampleGradients(model.model, maps),
        model.model,
        ids,
        batch,
        Head(model.lm_head.weight.detach(), None, softcap),
    ).gradients
    for row, tokens in enumerate(batch):
        head = Head(model.lm_head.weight, None, softcap)
        logits_LV = head.logits(response_states(model.model, tokens))
        loss = nn.functional.cross_entropy(logits_LV, torch.tensor(tokens.ids[tokens.prompt_length :]))
        truth = dict(zip(maps, torch.autograd.grad(loss, list(model.model.parameters())), strict=True))
        assert float(found.norm_B[row]) == pytest.approx(norm_of(truth), rel=1e-5)
        torch.testing.assert_close(found.sketch_BK[row], sketch_of(truth, maps).float(), rtol=1e-5, atol=1e-6)


def test_a_trainable_head_is_refused():
    model = tiny_llama()
    ids, batch = make_batch(SHAPES)
    with pytest.raises(ModelError, match="must be frozen"):
        scoring_pass(PerExampleGradients(model.model), model.model, ids, batch, Head(model.lm_head.weight))


def checkpoint_layers(model):
    # The older name warns where there is the newer one.
    name = "activation_checkpointing_enable"
    (getattr(model, name) if hasattr(model, name) else model.gradient_checkpointing_enable)()


class Checkpointed(nn.Module):
    """A trunk that is computed again as a whole."""

    def __init__(self, trunk, *, use_reentrant):
        super().__init__()
        self.trunk, self.use_reentrant = trunk, use_reentrant

    def forward(self, ids):
        return torch.utils.checkpoint.checkpoint(self.trunk, ids, use_reentrant=self.use_reentrant)


@pytest.mark.parametrize("name", ["full", "lora", "lora everywhere"])
def test_layers_computed_again_give_the_same_gradients_to_the_bit(name):
    model = MODELS[name]()
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    kept = score(model, maps, SHAPES)[0].gradients
    checkpoint_layers(model)
    again = score(model, maps, SHAPES)[0].gradients
    assert torch.equal(again.norm_B, kept.norm_B)
    assert torch.equal(again.sketch_BK, kept.sketch_BK)
    assert not any("forward" in layer.__dict__ for layer in model.model.layers)


def test_a_trunk_that_is_computed_again_as_a_whole_is_exact_too():
    model = MODELS["lora"]()
    ids, batch = make_batch(SHAPES)
    trunk = Checkpointed(model.model, use_reentrant=False)
    found = scoring_pass(PerExampleGradients(model), trunk, ids, batch, Head(model.lm_head.weight)).gradients
    assert torch.equal(found.norm_B, score(model, None, SHAPES)[0].gradients.norm_B)


def test_reentrant_checkpointing_is_refused_with_what_to_do():
    model = MODELS["lora"]()
    ids, batch = make_batch(SHAPES)
    trunk = Checkpointed(model.model, use_reentrant=True)
    with (
        pytest.warns(UserWarning, match="None of the inputs"),
        pytest.raises(ModelError, match="gradient_checkpointing: false"),
    ):
        scoring_pass(PerExampleGradients(model), trunk, ids, batch, Head(model.lm_head.weight))


def test_a_trunk_without_embedding_is_exact_too():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 4)

        def forward(self, ids):
            states = self.layer(ids[..., None].float())
            return type("Output", (), {"last_hidden_state": states})()

    model = Bare()
    ids, batch = make_batch(SHAPES)
    head = Head(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    found = scoring_pass(PerExampleGradients(model), model, ids, batch, head).gradients
    for row, tokens in enumerate(batch):
        logits_LV = head.logits(response_states(model, tokens))
        loss = nn.functional.cross_entropy(logits_LV, torch.tensor(tokens.ids[tokens.prompt_length :]))
        truth = dict(enumerate(torch.autograd.grad(loss, list(model.parameters()))))
        assert float(found.norm_B[row]) == pytest.approx(norm_of(truth), rel=1e-5)


def run_self_test(model):
    maps = build_gradient_maps(model, np.random.default_rng(0), 4)
    ids, batch = make_batch(SHAPES)
    capture = PerExampleGradients(model, maps)
    self_test(model.model, ids, batch, Head(model.lm_head.weight), capture, maps)


@pytest.mark.parametrize("name", MODELS)
def test_the_self_test_passes_in_silence_and_leaves_grad_alone(name):
    model = MODELS[name]()
    run_self_test(model)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_self_test_passes_in_half_precision():
    run_self_test(full(dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("forms", "method"), [((Outer, Product), "squared_norm"), ((SketchSum,), "total")], ids=["norm", "sketch"]
)
def test_the_self_test_refuses_a_wrong_norm_or_sketch_and_names_the_example(forms, method, monkeypatch):
    for form in forms:
        right = getattr(form, method)
        monkeypatch.setattr(form, method, lambda *arguments, right=right: 1.01 * right(*arguments))
    with pytest.raises(ModelError, match=r"must agree with autograd to 0\.001.*'e1'"):
        run_self_test(MODELS["lora"]())


class OtherKernels(nn.Module):
    """A layer whose results for a batch of one differ from those for a larger one, as a GPU's rounding does."""

    def __init__(self, layer, difference):
        super().__init__()
        self.layer, self.difference = layer, difference

    def forward(self, *arguments, **options):
        found = self.layer(*arguments, **options)
        wave = torch.arange(found.shape[-1]).sin().to(found)
        return found * (1 + self.difference * wave) if len(found) == 1 else found


def with_other_kernels(model, difference):
    for layer in model.model.layers:
        layer.mlp = OtherKernels(layer.mlp, difference)
    return model


def test_the_self_test_in_half_precision_bears_rounding_that_depends_on_the_size_of_a_batch():
    run_self_test(with_other_kernels(full(dtype=torch.bfloat16), 0.1))


@pytest.mark.parametrize(("dtype", "difference"), [(torch.bfloat16, 1.0), (torch.float32, 0.1)])
def test_the_self_test_refuses_gradients_that_depend_on_what_stands_beside_an_example(dtype, difference):
    with pytest.raises(ModelError, match=r"Other examples in a batch must not change.*'e1'"):
        run_self_test(with_other_kernels(full(dtype=dtype), difference))


class LooksAtPadding(nn.Module):
    """A layer that adds the mean over all positions."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *arguments, **options):
        found = self.layer(*arguments, **options)
        return found + found.mean(1, keepdim=True)


def test_the_self_test_refuses_gradients_that_depend_on_padding():
    model = full()
    for layer in model.model.layers:
        layer.mlp = LooksAtPadding(layer.mlp)
    with pytest.raises(ModelError, match="Other examples in a batch must not change"):
        run_self_test(model)


def test_the_self_test_refuses_numbers_that_are_not_finite():
    model = MODELS["lora"]()
    with torch.no_grad():
        next(parameter for parameter in model.parameters() if parameter.requires_grad).fill_(torch.nan)
    with pytest.raises(ModelError, match="nan"):
        run_self_test(model)


def test_the_self_test_needs_norms():
    ids, batch = make_batch(SHAPES)
    capture = PerExampleGradients(LORA, want_norm=False)
    with pytest.raises(ValueError, match="want_norm"):
        self_test(LORA.model, ids, batch, Head(LORA.lm_head.weight), capture)
