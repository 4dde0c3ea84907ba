import numpy as np
import pytest
import torch

from farsighted.core.errors import DivergedError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.one_by_one import ONE_BY_ONE, OneByOnePasses, build_passes
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import Passes, trunk_and_head
from farsighted.learners.peft_by_name import named_peft
from oracles.families import random_model
from oracles.signal_autograd import example_gradients, make_batch, norm_of, tiny_llama, weighted_gradient

BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])[1]
NEEDS = frozenset({"nll", "grad_norm", "grad_sketch", "embedding", "head_sketch", "nuclear_norm"})
TOTAL = sum(tokens.response_length for tokens in BATCH)


def adapted(adaptation):
    lm = adaptation.apply(tiny_llama(dtype=torch.float32).requires_grad_(requires_grad=False), np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if parameter.requires_grad and ".lora_" in name:
                parameter.normal_(std=0.2, generator=generator)
    return lm.eval()


@pytest.mark.parametrize("adaptation", [Lora(3, 5.0), Full()], ids=["lora", "full"])
def test_one_by_one_gives_the_signals_that_a_batch_gives(adaptation):
    lm = adapted(adaptation)
    batched, looped = Passes(*trunk_and_head(lm)), OneByOnePasses(*trunk_and_head(lm))
    wanted, found = batched.signals(BATCH, NEEDS), looped.signals(BATCH, NEEDS)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("adaptation", [Lora(3, 5.0), Full()], ids=["lora", "full"])
def test_one_by_one_trains_as_a_batch_does(adaptation):
    lm = adapted(adaptation)
    grads = []
    results = []
    for passes in (Passes(*trunk_and_head(lm)), OneByOnePasses(*trunk_and_head(lm))):
        results.append(passes.train(BATCH, TOTAL, np.ones(len(BATCH))))
        grads.append({name: p.grad.clone() for name, p in lm.named_parameters() if p.requires_grad})
        lm.zero_grad()
    for name, gradient in grads[0].items():
        torch.testing.assert_close(grads[1][name], gradient, rtol=1e-3, atol=1e-6)
    for name, values in results[0].items():
        np.testing.assert_allclose(results[1][name], values, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("adaptation", [Lora(3, 5.0), Full()], ids=["lora", "full"])
def test_one_by_one_weighs_losses_and_leaves_sketches_as_they_are(adaptation):
    lm, weight = adapted(adaptation), np.array([0.1, 1.9, 0.5, 1.5])
    passes = OneByOnePasses(*trunk_and_head(lm))
    expected = weighted_gradient(lm, BATCH, weight)
    plain = passes.train(BATCH, TOTAL, np.ones(len(BATCH)))
    lm.zero_grad()
    found = passes.train(BATCH, TOTAL, weight)
    for name, parameter in lm.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-6)
    assert found["sketch"].tobytes() == plain["sketch"].tobytes()
    assert found["nll_sum"].tobytes() == plain["nll_sum"].tobytes()


def test_norms_of_an_adapter_that_no_batch_can_read_are_those_of_the_library():
    settings = {"peft_type": "lora", "use_dora": True, "r": 3, "lora_alpha": 5}
    lm = adapted(named_peft("dora", settings, False))
    passes = build_passes(*trunk_and_head(lm))
    assert isinstance(passes, OneByOnePasses)
    found = passes.signals(BATCH, frozenset({"grad_norm"}))["grad_norm"]
    for row, tokens in enumerate(BATCH):
        assert found[row] == pytest.approx(norm_of(example_gradients(lm, tokens)), rel=1e-4)


def test_what_a_batch_can_read_is_read_in_batches():
    for adaptation in (Lora(3, 5.0), Full()):
        assert type(build_passes(*trunk_and_head(adapted(adaptation)))) is Passes


def test_a_loss_that_is_not_finite_names_the_example():
    lm = adapted(Lora(3, 5.0))
    passes = OneByOnePasses(*trunk_and_head(lm))
    with torch.no_grad():
        lm.model.norm.weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="The training loss is not finite"):
        passes.train(BATCH, TOTAL, np.ones(len(BATCH)))


@pytest.mark.parametrize(
    ("family", "adaptation"),
    [("opt", Lora(2, 4.0)), ("gpt_bigcode", Full()), ("qwen2_moe", Lora(2, 4.0)), ("mixtral", Full())],
)
def test_an_architecture_whose_rows_are_not_examples_is_read_one_by_one_with_the_librarys_norms(family, adaptation):
    lm = adaptation.apply(random_model(family).requires_grad_(requires_grad=False), np.random.default_rng(0))
    passes = build_passes(*trunk_and_head(lm))
    assert isinstance(passes, OneByOnePasses)
    found = passes.signals(BATCH, frozenset({"grad_norm"}))["grad_norm"]
    for row, tokens in enumerate(BATCH):
        assert found[row] == pytest.approx(norm_of(example_gradients(lm, tokens)), rel=1e-4)


def test_finding_out_changes_nothing():
    lm = adapted(Lora(3, 5.0))
    state = torch.random.get_rng_state()
    build_passes(*trunk_and_head(lm))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in lm.parameters())


def test_it_is_said_in_the_learners_notes():
    settings = LearnerSettings(OptimizerSettings(1e-3))
    slow, fast = (CausalLM(random_model(name), "hash", Lora(2), settings, 0) for name in ("opt", "llama"))
    assert slow.notes == (ONE_BY_ONE,)
    assert fast.notes == ()
