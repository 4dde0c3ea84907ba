import numpy as np
import pytest
import torch

from farsighted.core.errors import ModelError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.transitions import MergeAndReinit, Stack
from oracles.signal_autograd import make_batch, tiny_llama

RNG = np.random.default_rng
SETTINGS = LearnerSettings(OptimizerSettings(2e-2, "constant", warmup_share=0.0))
IDS, BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])
TRANSITIONS = [MergeAndReinit(), Stack()]
SIGNALS = frozenset({"nll", "grad_norm", "grad_sketch"})

every_transition = pytest.mark.parametrize("transition", TRANSITIONS, ids=["merge", "stack"])


def learner(transition, seed=0, **options):
    lora = Lora(3, 5.0, transition=transition, **options)
    return CausalLM(tiny_llama(dtype=torch.float32), "hash", lora, SETTINGS, seed)


def train(found, stage, steps=3):
    found.begin_stage(10)
    for step in range(steps):
        found.step(BATCH, RNG((stage, step)))


def logits(found):
    with torch.no_grad():
        return found.language_model(IDS).logits.numpy()


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@every_transition
def test_the_model_computes_before_the_next_stage_what_it_did_after_the_last(transition):
    found = learner(transition)
    base = logits(found)
    for stage in (2, 3, 4):
        train(found, stage)
        before = logits(found)
        found.next_stage(stage)
        np.testing.assert_allclose(logits(found), before, atol=2e-5)
    assert np.abs(before - base).max() > 1e-2


@every_transition
def test_a_new_adapter_starts_as_fresh_as_the_first_but_from_draws_of_its_own(transition):
    found = learner(transition)
    first = found.parameters()
    train(found, 1)
    found.next_stage(2)
    second = found.parameters()
    for name, values in first.items():
        if ".lora_B." in name:
            assert not second[name].any()
        else:
            assert not np.array_equal(second[name], values)
            assert np.abs(second[name]).max() <= 1 / np.sqrt(values.shape[1])
    assert same({n: v for n, v in second.items() if n in first}, _after(transition, 2))


def _after(transition, stage):
    """The step-0 adapter of a stage of another learner that was trained for longer."""
    other = learner(transition)
    names = set(other.parameters())
    train(other, 1, steps=5)
    other.next_stage(stage)
    return {name: values for name, values in other.parameters().items() if name in names}


@every_transition
def test_training_goes_on_in_the_new_adapter_alone(transition):
    found = learner(transition)
    names = set(found.parameters())
    train(found, 1)
    found.next_stage(2)
    trainable = {name for name, p in found.language_model.named_parameters() if p.requires_grad}
    assert trainable == names
    before = found.parameters()
    train(found, 2)
    after = found.parameters()
    assert {name for name in after if not np.array_equal(after[name], before[name])} == names


@every_transition
def test_gradient_signals_are_those_of_autograd_after_a_transition(transition):
    found = learner(transition)
    train(found, 1)
    found.next_stage(2)
    train(found, 2)
    found.self_test(BATCH)


@every_transition
@pytest.mark.parametrize("train_head", [False, True])
def test_a_learner_that_is_loaded_anew_goes_on_bit_for_bit(transition, train_head):
    one = learner(transition, train_head=train_head)
    for stage in (2, 3):
        train(one, stage)
        one.next_stage(stage)
    train(one, 3)
    kept, state = one.parameters(), one.optimizer_state()
    other = learner(transition, train_head=train_head)
    other.load_parameters(kept)
    other.begin_stage(10)
    other.load_optimizer_state(state)
    assert same(other.parameters(), kept)
    np.testing.assert_array_equal(logits(other), logits(one))
    for found in (one, other):
        found.step(BATCH, RNG(9))
    assert same(one.parameters(), other.parameters())
    mine, theirs = one.signals(BATCH, SIGNALS), other.signals(BATCH, SIGNALS)
    assert same(mine, theirs)


@every_transition
def test_a_branch_of_a_later_stage_is_undone_without_folding_anything_twice(transition):
    found = learner(transition)
    train(found, 1)
    found.next_stage(2)
    kept, before = found.parameters(), logits(found)
    train(found, 2)
    found.load_parameters(kept)
    np.testing.assert_array_equal(logits(found), before)


@every_transition
def test_going_back_before_a_stage_is_refused(transition):
    found = learner(transition)
    start = found.parameters()
    train(found, 1)
    found.next_stage(2)
    with pytest.raises(ModelError, match="cannot go back before a finished stage"):
        found.load_parameters(start)


@every_transition
def test_the_change_over_stages_is_that_of_the_weights(transition):
    """Against the explicit matrices that the layers apply, all adapters and merged weights included."""
    found = learner(transition)
    states, dense = [found.parameters()], [_dense(found)]
    for stage in (2, 3):
        train(found, stage)
        states.append(found.parameters())
        dense.append(_dense(found))
        found.next_stage(stage)
    after = found.change_inner(states[1], states[2], found.parameters())
    assert after.later_squared == pytest.approx(0, abs=1e-12)
    inner = found.change_inner(*states)
    earlier, later = dense[1] - dense[0], dense[2] - dense[1]
    assert inner.earlier_later == pytest.approx(earlier @ later, rel=1e-3)
    assert inner.earlier_squared == pytest.approx(earlier @ earlier, rel=1e-3)
    assert inner.later_squared == pytest.approx(later @ later, rel=1e-3)


def _dense(found):
    parts = []
    for _, module in sorted(found.language_model.named_modules()):
        if hasattr(module, "lora_A"):
            with torch.no_grad():
                parts.append(module(torch.eye(module.in_features)).numpy().astype(np.float64).ravel())
    return np.concatenate(parts)


def test_without_a_transition_the_adapter_is_trained_on():
    for adaptation in (Lora(3, 5.0), Full()):
        found = CausalLM(tiny_llama(dtype=torch.float32), "hash", adaptation, SETTINGS, 0)
        train(found, 1)
        before = found.parameters()
        found.next_stage(2)
        assert same(found.parameters(), before)


def test_no_transition_touches_torchs_generator():
    for transition in TRANSITIONS:
        found = learner(transition)
        before = torch.random.get_rng_state()
        found.next_stage(2)
        assert torch.equal(torch.random.get_rng_state(), before)


def test_dropout_stays_in_the_new_adapter_alone():
    found = learner(Stack(), dropout=0.3)
    found.next_stage(2)
    kinds = {
        name.rsplit(".", 1)[1]: type(module).__name__
        for name, module in found.language_model.named_modules()
        if ".lora_dropout." in name
    }
    assert kinds == {"default": "Dropout", "stage_1": "Identity"}
