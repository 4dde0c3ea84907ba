import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.bottleneck import Bottleneck, BottleneckAdapters, BottleneckSettings, bottleneck_adapters
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import Passes
from oracles.signal_autograd import (
    HIDDEN,
    VOCABULARY,
    example_gradients,
    make_batch,
    norm_of,
    randomize,
    tiny_llama,
    weighted_gradient,
)

SETTINGS = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0), end_ids=(1,))
IDS, BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])
SMALL = BottleneckSettings(size=5)
SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": VOCABULARY,
    "pad_token_id": 0,
}
ARCHITECTURES = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY},
    "gpt_neox": SHAPE,
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 4, "vocab_size": VOCABULARY, "pad_token_id": 0},
    "mixtral": {**SHAPE, "num_local_experts": 3, "num_key_value_heads": 2},
    "gemma2": {**SHAPE, "head_dim": 4, "num_key_value_heads": 2},
    "falcon": SHAPE,
}


def learner(adaptation=None, seed=0, dtype=torch.float32, model=None, settings=SETTINGS):
    found = adaptation or BottleneckAdapters(settings=SMALL)
    return CausalLM(model or tiny_llama(dtype=dtype), "hash", found, settings, seed)


def moved(found, seed=0):
    """The learner with values in the upper halves, where the first ones are zero."""
    generator = np.random.default_rng(seed)
    found.load_parameters(
        {
            name: (values + generator.normal(scale=0.2, size=values.shape)).astype(np.float32)
            for name, values in found.parameters().items()
        }
    )
    return found


def test_the_model_computes_what_the_base_computes_to_the_last_bit():
    with torch.no_grad():
        assert torch.equal(learner().language_model(IDS).logits, tiny_llama(dtype=torch.float32)(IDS).logits)


def test_an_adapter_is_its_formula():
    adapter = Bottleneck(HIDDEN, BottleneckSettings(size=5, activation="tanh"), np.random.default_rng(0)).eval()
    with torch.no_grad():
        adapter.up.weight.fill_(0.5)
        adapter.up.bias.fill_(0.1)
    h = torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(0))
    narrow = torch.tanh(h @ adapter.down.weight.T + adapter.down.bias)
    torch.testing.assert_close(adapter(h), h + narrow @ adapter.up.weight.T + 0.1)


def test_every_layer_has_one_behind_each_block_before_the_residual():
    """With one block of one layer changed by a constant, the layer's output changes by just that constant."""
    found = learner()
    names = {name.rsplit(".", 2)[0] for name in found.parameters()}
    blocks = ("self_attn_bottleneck", "mlp_bottleneck")
    assert names == {f"model.layers.{layer}.{block}" for layer in (0, 1) for block in blocks}
    last, states = found.language_model.model.layers[1], []
    last.register_forward_hook(lambda layer, inputs, output: states.append(output))
    with torch.no_grad():
        found.language_model(IDS)
        last.mlp_bottleneck.up.bias.fill_(0.25)
        found.language_model(IDS)
    torch.testing.assert_close(states[1], states[0] + 0.25)


def test_gradients_of_each_example_are_those_of_autograd_in_one_batch():
    found = moved(learner())
    assert type(found._passes) is Passes
    norms = found.signals(BATCH, frozenset({"grad_norm"}))["grad_norm"]
    for row, tokens in enumerate(BATCH):
        assert norms[row] == pytest.approx(norm_of(example_gradients(found.language_model, tokens)), rel=1e-4)


def test_a_step_is_that_of_autograd_and_the_base_stays_as_it_was():
    found, weight = moved(learner()), np.array([0.1, 1.9, 0.5, 1.5])
    lm, trained = found.language_model, set(found.parameters())
    frozen = {n: p.detach().clone() for n, p in lm.named_parameters() if n not in trained}
    norm = norm_of(weighted_gradient(lm, BATCH, weight))
    lm.zero_grad()
    found.begin_stage(3)
    assert found.step(BATCH, np.random.default_rng(0), weight).grad_norm == pytest.approx(norm, rel=1e-3)
    for name, parameter in lm.named_parameters():
        if name in frozen:
            assert torch.equal(parameter, frozen[name])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_architectures_start_as_they_are_and_learn(architecture):
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[architecture](**ARCHITECTURES[architecture])).eval()
    randomize(model, 3)
    with torch.no_grad():
        before = model(IDS).logits
    found = learner(model=model)
    with torch.no_grad():
        assert torch.equal(found.language_model(IDS).logits, before)
    moved(found).self_test(BATCH)
    nll = found.likelihoods(BATCH).nll_sum.sum()
    found.begin_stage(20)
    for step in range(8):
        found.step(BATCH, np.random.default_rng(step))
    assert found.likelihoods(BATCH).nll_sum.sum() < nll


def test_where_a_block_adds_the_residual_itself_the_adapter_is_before_it():
    """A narrow layer that gives zero and an upper bias of 0.25 move the first attention's output by 0.25, not more."""
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING["bloom"](**ARCHITECTURES["bloom"])).eval()
    randomize(model, 3)
    found = learner(model=model)
    layer, inputs = model.transformer.h[0], []
    layer.self_attention_bottleneck.register_forward_hook(lambda module, args, output: inputs.append(args[0]))
    outputs = []
    layer.self_attention.register_forward_hook(lambda module, args, output: outputs.append((args, output[0])))
    with torch.no_grad():
        found.language_model(IDS)
    (args, output) = outputs[0]
    torch.testing.assert_close(output, args[1] + inputs[0])


def test_checkpointed_layers_get_the_same_gradients():
    saving = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0), gradient_checkpointing=True)
    steps = []
    for settings in (SETTINGS, saving):
        found = moved(learner(settings=settings))
        found.begin_stage(2)
        found.step(BATCH, np.random.default_rng(0))
        steps.append(found.parameters())
    for name, values in steps[0].items():
        np.testing.assert_allclose(steps[1][name], values, rtol=1e-4, atol=1e-6)


def test_its_first_values_come_from_the_seed_alone():
    first = fingerprint.of_arrays(learner().parameters())
    assert fingerprint.of_arrays(learner().parameters()) == first
    model, state = tiny_llama(dtype=torch.float32), torch.random.get_rng_state()
    BottleneckAdapters().apply(model, np.random.default_rng(0))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fingerprint.of_arrays(learner(seed=1).parameters()) != first


def test_half_precision_weights_keep_a_float32_adapter():
    found = learner(dtype=torch.bfloat16)
    assert {p.dtype for p in found.language_model.parameters() if p.requires_grad} == {torch.float32}
    moved(found).self_test(BATCH)


def test_a_block_can_be_left_out_or_named():
    only = learner(bottleneck_adapters("mine", {"after": ["feed_forward"], "size": 3}, False))
    named = learner(bottleneck_adapters("mine", {"after": ["mlp"], "size": 3}, False))
    assert {name.split(".")[3] for name in only.parameters()} == {"mlp_bottleneck"}
    assert only.parameters().keys() == named.parameters().keys()


def test_a_layer_without_such_a_block_is_refused_with_where_to_name_it():
    with pytest.raises(ModelError, match=r"has none that is known as 'router'. Name modules .*`peft.mine.after`"):
        learner(bottleneck_adapters("mine", {"after": ["router"]}, False))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sise": 3}, "`peft.mine.sise` is not right: .*Bottleneck adapters have: size, activation, dropout, after"),
        ({"size": 0}, "`peft.mine.size` must be at least 1, but is 0"),
        ({"dropout": 1.0}, "`peft.mine.dropout` must be 0 to below 1, but is 1.0"),
        ({"activation": "swish"}, "`peft.mine.activation` must be one of gelu, relu, silu, tanh, but is 'swish'"),
        ({"after": []}, "`peft.mine.after` must be a list with at least one block"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        bottleneck_adapters("mine", settings, False)


def test_dropout_differs_from_step_to_step_and_comes_from_its_generator():
    losses = []
    for seed in (0, 0, 1):
        found = moved(learner(BottleneckAdapters(settings=BottleneckSettings(size=5, dropout=0.5))))
        found.begin_stage(2)
        losses.append(found.step(BATCH, np.random.default_rng(seed)).loss)
        assert not found.can_keep(BATCH, frozenset({"grad_norm"}))
    assert losses[0] == losses[1] != losses[2]
