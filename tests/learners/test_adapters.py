import numpy as np
import pytest
import torch
from torch import nn

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError
from farsighted.learners.adapters import Full, Lora
from oracles.signal_autograd import make_batch, tiny_llama

RNG = np.random.default_rng
IDS, _ = make_batch([(3, 4), (2, 6)])


def base(**options):
    return tiny_llama(dtype=torch.float32, **options).requires_grad_(requires_grad=False)


def trainable(model):
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters() if p.requires_grad}


def lora(seed=0, **options):
    return Lora(**{"r": 3, "alpha": 5.0, **options}).apply(base(), RNG(seed))


def test_the_adapters_start_from_the_generator_alone():
    first = fingerprint.of_arrays(trainable(lora(seed=1)))
    torch.rand(7)
    assert fingerprint.of_arrays(trainable(lora(seed=1))) == first
    assert fingerprint.of_arrays(trainable(lora(seed=2))) != first
    model, before = base(), torch.random.get_rng_state()
    Lora().apply(model, RNG(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_is_uniform_within_one_over_the_root_of_its_inputs_and_b_is_zero():
    arrays = trainable(Lora(r=16).apply(base(), RNG(0)))
    for name, values in arrays.items():
        if ".lora_B." in name:
            assert not values.any()
        else:
            bound = 1 / np.sqrt(values.shape[1])
            assert np.abs(values).max() <= bound
            # Of at least 256 uniform draws one comes near the bound, and their variance is near bound²/3.
            assert np.abs(values).max() > 0.95 * bound
            assert values.var() == pytest.approx(bound**2 / 3, rel=0.3)


def test_a_fresh_adapter_changes_no_output():
    np.testing.assert_array_equal(lora()(IDS).logits.detach(), base()(IDS).logits.detach())


def test_every_linear_layer_but_the_head_is_adapted_by_default():
    names = {name.split(".lora_")[0] for name in trainable(lora())}
    linear = {name for name, module in base().named_modules() if isinstance(module, nn.Linear)}
    assert names == linear - {"lm_head"}


def test_named_layers_alone_are_adapted():
    names = trainable(lora(targets=("q_proj", "down_proj")))
    assert names
    assert all("q_proj" in name or "down_proj" in name for name in names)


@pytest.mark.parametrize("r", [1, 5])
def test_the_rank_is_that_of_the_factors(r):
    shapes = [values.shape for name, values in trainable(lora(r=r)).items() if ".lora_A." in name]
    assert {shape[0] for shape in shapes} == {r}


def test_the_head_can_be_trained_beside_the_adapters():
    model = lora(train_head=True)
    assert model.lm_head.weight.requires_grad
    assert [name for name in trainable(model) if ".lora_" not in name] == ["lm_head.weight"]


def test_layers_that_the_model_does_not_have_are_refused():
    with pytest.raises(ModelError, match=r"LoRA cannot be put on this model: .*c_attn.*Set `lora\.targets`"):
        lora(targets=("c_attn",))


def test_an_adapted_embedding_is_refused():
    with pytest.raises(ModelError, match="is no LoRA factor"):
        lora(targets=("embed_tokens",))


def test_adapters_of_a_half_precision_model_are_kept_in_full_precision():
    model = Lora(r=3).apply(tiny_llama(dtype=torch.bfloat16).requires_grad_(requires_grad=False), RNG(0))
    kinds = {p.requires_grad: p.dtype for p in model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    assert model(IDS).logits.dtype == torch.bfloat16


def random_change(arrays, seed):
    draws = RNG(seed)
    return {name: (values + draws.normal(size=values.shape)).astype(np.float32) for name, values in arrays.items()}


def product(arrays, scale):
    """The change that an adapter makes to the model's weights, as one long vector of explicit B·A products."""
    parts = []
    for name in sorted(arrays):
        values = arrays[name].astype(np.float64)
        if ".lora_A." in name:
            parts.append(scale * (arrays[name.replace(".lora_A.", ".lora_B.")].astype(np.float64) @ values))
        elif ".lora_" not in name:
            parts.append(values)
    return np.concatenate([part.ravel() for part in parts])


@pytest.mark.parametrize(("r", "alpha"), [(1, 1.0), (3, 5.0), (8, 32.0)])
@pytest.mark.parametrize("train_head", [False, True])
def test_the_change_of_an_adapter_is_that_of_the_product_and_not_of_its_factors(r, alpha, train_head):
    adaptation = Lora(r, alpha, train_head=train_head)
    a = trainable(adaptation.apply(base(), RNG(0)))
    b, c = random_change(a, 1), random_change(a, 2)
    earlier = product(b, alpha / r) - product(a, alpha / r)
    later = product(c, alpha / r) - product(b, alpha / r)
    inner = adaptation.change_inner(a, b, c)
    assert inner.earlier_later == pytest.approx(earlier @ later)
    assert inner.earlier_squared == pytest.approx(earlier @ earlier)
    assert inner.later_squared == pytest.approx(later @ later)


def test_factors_that_change_while_their_product_stays_are_no_change():
    a = trainable(lora())
    b = random_change(a, 1)
    c = {name: values * (2.0 if ".lora_A." in name else 0.5) for name, values in b.items()}
    inner = Lora(3, 5.0).change_inner(a, b, c)
    assert inner.earlier_squared > 1
    assert inner.later_squared == pytest.approx(0, abs=1e-9 * inner.earlier_squared)


def test_the_scale_of_the_measured_change_is_the_one_that_the_model_applies():
    model = lora()
    linear = model.model.layers[0].mlp.up_proj
    with torch.no_grad():
        linear.lora_B["default"].weight.normal_(generator=torch.Generator().manual_seed(0))
    inputs = torch.eye(16)
    change = (linear(inputs) - linear.base_layer(inputs)).detach().numpy()
    after = trainable(model)
    before = {name: np.zeros_like(values) if ".lora_B." in name else values for name, values in after.items()}
    inner = Lora(3, 5.0).change_inner(before, after, after)
    assert inner.earlier_squared == pytest.approx((change.astype(np.float64) ** 2).sum(), rel=1e-5)


def test_everything_but_the_head_is_trained_in_full():
    model = Full().apply(base(), RNG(0))
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {"lm_head.weight"}
    assert all(p.requires_grad for p in Full(train_head=True).apply(base(), RNG(0)).parameters())


def test_a_frozen_head_is_frozen_with_its_bias():
    model = base()
    model.lm_head = nn.Linear(16, 50)
    Full().apply(model, RNG(0))
    assert not any(p.requires_grad for p in model.lm_head.parameters())


def test_a_frozen_head_that_is_tied_to_the_embedding_freezes_it_too():
    model = Full().apply(base(tie_word_embeddings=True), RNG(0))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not model.model.embed_tokens.weight.requires_grad
    assert model.model.norm.weight.requires_grad


def test_the_change_of_full_training_is_that_of_all_its_parameters():
    a = trainable(Full().apply(base(), RNG(0)))
    b, c = random_change(a, 1), random_change(a, 2)
    earlier, later = product(b, 1) - product(a, 1), product(c, 1) - product(b, 1)
    inner = Full().change_inner(a, b, c)
    assert inner.earlier_later == pytest.approx(earlier @ later)
    assert (inner.earlier_squared, inner.later_squared) == pytest.approx((earlier @ earlier, later @ later))


def test_a_backward_pass_through_adapters_costs_one_forward_and_through_everything_two():
    assert (Lora().backward_cost, Full().backward_cost) == (1.0, 2.0)
