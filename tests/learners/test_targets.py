import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from farsighted.core.errors import ModelError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import named_peft
from farsighted.learners.targets import lora_targets, named_as_they_are
from oracles.adapters import logits_of
from oracles.families import FAMILIES, MIXTURES, OTHERS, random_model
from oracles.signal_autograd import make_batch

BATCH = make_batch([(3, 4), (1, 1), (5, 2)])[1]
SETTINGS = LearnerSettings(OptimizerSettings(learning_rate=1e-2))
ADAPTATIONS = [Lora(2, 4.0), named_peft("dora", {"peft_type": "lora", "use_dora": True, "r": 2}, train_head=False)]


def adapted(lm):
    return {name for name, module in lm.named_modules() if isinstance(module, LoraLayer)}


def linear(lm, *endings):
    head = lm.get_output_embeddings()
    layers = {name for name, m in lm.named_modules() if isinstance(m, nn.Linear) and m is not head}
    return {name for name in layers if name.endswith(endings)} if endings else layers


@pytest.mark.parametrize("family", ["llama", "qwen", "gpt2", "opt", "falcon", "rwkv"])
def test_nothing_is_left_out_where_every_token_goes_through_every_layer(family):
    assert lora_targets(random_model(family), "all-linear") == ("all-linear", None)


@pytest.mark.parametrize("family", MIXTURES)
@pytest.mark.parametrize("adaptation", ADAPTATIONS, ids=["lora", "dora"])
def test_routers_and_experts_get_no_adapter_and_that_is_said(family, adaptation):
    lm = random_model(family)
    layers, shared = linear(lm), linear(lm, "shared_expert_gate")
    (note,) = adaptation.notes(lm)
    found = adapted(adaptation.apply(lm, np.random.default_rng(0)))
    assert found == layers - shared
    assert not [name for name in found if "experts" in name.split(".") or name.endswith("gate")]
    assert note.startswith("LoRA on all-linear leaves out the routers and experts of this mixture of 4 experts")


def test_experts_that_are_layers_of_their_own_are_left_out_too():
    lm = random_model("llama")
    lm.config.num_experts = 3
    block = lm.model.layers[0].mlp
    block.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
    block.router = nn.Linear(16, 3)
    modules, note = lora_targets(lm, "all-linear")
    assert set(modules) == linear(lm) - {f"model.layers.0.mlp.experts.{n}" for n in range(3)} - linear(lm, "router")
    assert "3 experts" in note


def test_a_layer_whose_weight_is_read_without_a_call_is_left_out_by_name():
    lm = random_model("mamba")
    modules, note = lora_targets(lm, "all-linear")
    assert set(modules) == linear(lm) - linear(lm, "dt_proj", "out_proj")
    assert "leaves out 'backbone.layers.0.mixer.dt_proj' and 3 more, whose weights are read without a call" in note


def test_what_the_user_names_is_left_to_the_user():
    lm = random_model("mixtral")
    assert lora_targets(lm, ("q_proj", "gate")) == (["q_proj", "gate"], None)
    assert lora_targets(lm, "q_proj") == ("q_proj", None)


def test_looking_changes_nothing():
    lm = random_model("mixtral").train()
    before = logits_of(lm)
    lm.train()
    state = torch.random.get_rng_state()
    lora_targets(lm, "all-linear")
    assert lm.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(logits_of(lm), before)
    assert not any(module._forward_hooks for module in lm.modules())


def test_the_model_keeps_its_name_also_where_no_adapter_can_be_put_on_it():
    lm = random_model("mixtral")
    with named_as_they_are(lm, ["q_proj"]):
        assert lm.config.model_type == ""
    assert lm.config.model_type == "mixtral"
    with pytest.raises(ModelError), named_as_they_are(lm, ["q_proj"]):
        Lora(targets=("nowhere",)).apply(lm, np.random.default_rng(0))
    assert lm.config.model_type == "mixtral"


@pytest.mark.parametrize("adaptation", [Lora(2, 4.0), Full()], ids=["lora", "full"])
@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_every_architecture_passes_the_self_test_and_learns(family, adaptation):
    """Batched, or one by one: signals are the library's own, and steps lower the loss."""
    learner = CausalLM(random_model(family), "hash", adaptation, SETTINGS, seed=0)
    learner.self_test(BATCH)
    learner.begin_stage(6)
    losses = [learner.step(BATCH, np.random.default_rng(0)).loss for _ in range(6)]
    assert losses[-1] < losses[0]


def test_an_adapter_that_does_not_fit_still_says_what_to_do():
    with pytest.raises(ModelError, match=r"Set `lora\.targets` to names of linear layers"):
        Lora(targets=("nowhere",)).apply(random_model("llama"), np.random.default_rng(0))
