import dataclasses
import shutil

import numpy as np
import pytest
import torch

from farsighted.core import fingerprint
from farsighted.core.errors import DivergedError, ModelError
from farsighted.core.values import Example, Tokens
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import TINY, model_folder
from farsighted.models.loading import load_model
from oracles.hf_reference import greedy, hf_batch_loss, plain_batch_loss, response_log_probabilities
from oracles.signal_autograd import make_batch, mean_nll, norm_of, tiny_llama, weighted_gradient
from oracles.tiny_folder import read_texts, save_tiny

RNG = np.random.default_rng
SETTINGS = LearnerSettings(OptimizerSettings(5e-3, "constant", warmup_share=0.0))
ADAPTATIONS = {"lora": Lora(4, 8.0), "full": Full(), "lora and head": Lora(4, 8.0, train_head=True)}
BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7), (4, 4), (6, 1)])[1]
EVERY_SIGNAL = frozenset(
    {"nll", "entropy", "margin", "el2n", "correctness", "head_grad_norm", "grad_norm", "grad_sketch", "head_sketch"}
) | {"hidden", "embedding", "nuclear_norm", "logit_sketch"}

every_adaptation = pytest.mark.parametrize("adaptation", ADAPTATIONS.values(), ids=ADAPTATIONS.keys())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def learner(adaptation=ADAPTATIONS["lora"], dtype=torch.float32, seed=0, **settings):
    lm = tiny_llama(dtype=dtype)
    return CausalLM(lm, "hash", adaptation, dataclasses.replace(SETTINGS, **settings), seed)


def trained(steps=3, **options):
    """A learner that has left its starting point, with a running stage."""
    found = learner(**options)
    found.begin_stage(10)
    for number in range(steps):
        found.step(BATCH, RNG(number))
    return found


def weights(found):
    return {name: p.detach().double().numpy().copy() for name, p in found._lm.named_parameters()}


def same(one, other):
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


# What is trained


@every_adaptation
def test_the_same_seed_starts_from_the_same_parameters(adaptation):
    one, again, other = (learner(adaptation, seed=seed).parameters() for seed in (0, 0, 1))
    assert fingerprint.of_arrays(one) == fingerprint.of_arrays(again)
    assert (fingerprint.of_arrays(one) == fingerprint.of_arrays(other)) == isinstance(adaptation, Full)


def test_a_learner_tells_what_it_is():
    found = learner(Full())
    assert (found.model_hash, found.vocabulary_size, found.backward_cost) == ("hash", 50, 2.0)


def test_nothing_but_the_trainable_parameters_changes_in_a_step():
    found = learner()
    before = weights(found)
    found.begin_stage(10)
    for number in range(2):
        found.step(BATCH, RNG(number))
    after = weights(found)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == set(found.parameters())


def test_an_adapted_head_is_refused():
    with pytest.raises(ModelError, match=r"'lm_head\.lora_A.* belongs to the output head.*`lora\.targets`"):
        learner(Lora(targets=("lm_head", "q_proj")))


@pytest.mark.parametrize("adaptation", [Lora(train_head=True), Full(train_head=True)], ids=["lora", "full"])
def test_a_head_that_is_tied_to_the_embedding_trains_it_too(adaptation):
    lm = tiny_llama(dtype=torch.float64, tie_word_embeddings=True)
    found = CausalLM(lm, "hash", adaptation, SETTINGS, 0)
    found.self_test(BATCH)
    found.begin_stage(2)
    sketch = found.signals(BATCH, frozenset({"grad_sketch"}))["grad_sketch"]
    before = found.parameters()["model.embed_tokens.weight"]
    taken = found.step(BATCH, RNG(0))
    np.testing.assert_allclose(taken.sketch, sketch, rtol=1e-4, atol=1e-6 * np.abs(sketch).max())
    assert taken.grad_norm == pytest.approx(_library_gradient(adaptation), rel=1e-5)
    assert (found.parameters()["model.embed_tokens.weight"] != before).any()


def _library_gradient(adaptation):
    """Norm of the gradient of the library's own loss, tied weights and all."""
    lm = CausalLM(tiny_llama(dtype=torch.float64, tie_word_embeddings=True), "hash", adaptation, SETTINGS, 0)._lm
    nll = sum(mean_nll(lm, tokens) * tokens.response_length for tokens in BATCH)
    parameters = [parameter for parameter in lm.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(nll / sum(tokens.response_length for tokens in BATCH), parameters)
    return norm_of(dict(enumerate(gradients)))


@pytest.mark.parametrize("adaptation", [Lora(), Full()], ids=["lora", "full"])
def test_a_tied_head_that_is_frozen_is_no_obstacle(adaptation):
    lm = tiny_llama(dtype=torch.float32, tie_word_embeddings=True)
    found = CausalLM(lm, "hash", adaptation, SETTINGS, 0)
    found.self_test(BATCH)
    found.begin_stage(2)
    assert np.isfinite(found.step(BATCH, RNG(0)).loss)


# Steps


@every_adaptation
def test_the_loss_is_that_of_the_library_over_response_tokens_alone(adaptation):
    found = trained(adaptation=adaptation)
    for batch in (*([tokens] for tokens in BATCH), BATCH):
        with torch.no_grad():
            expected = float(hf_batch_loss(found._lm, batch))
        assert found.step(batch, RNG(9)).loss == pytest.approx(expected, rel=1e-5)


@every_adaptation
def test_a_step_is_clipped_adamw_on_the_gradient_of_the_librarys_loss(adaptation):
    found, reference = learner(adaptation, torch.float64), learner(adaptation, torch.float64)
    found.begin_stage(10)
    parameters = [p for p in reference._lm.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=0.0)
    for number in range(3):
        step = found.step(BATCH, RNG(number))
        adamw.zero_grad()
        plain_batch_loss(reference._lm, BATCH).backward()
        assert step.grad_norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(parameters, 1.0)), rel=1e-6)
        adamw.step()
    ours, theirs = weights(found), weights(reference)
    for name in ours:
        # The norms inside of the model round to float32; a step moves a parameter by up to 5e-3.
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6, err_msg=name)


@every_adaptation
@pytest.mark.parametrize("micro_batch_tokens", [1, 16])
def test_a_step_in_small_parts_equals_a_step_in_one(adaptation, micro_batch_tokens):
    whole, parts = (
        learner(adaptation, torch.float64, micro_batch_tokens=tokens) for tokens in (8192, micro_batch_tokens)
    )
    for found in (whole, parts):
        found.begin_stage(10)
    for number in range(3):
        one, other = (found.step(BATCH, RNG(number)) for found in (whole, parts))
        assert other.loss == pytest.approx(one.loss, rel=1e-6)
        assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-6)
        np.testing.assert_allclose(other.sketch, one.sketch, rtol=1e-4, atol=1e-5 * np.abs(one.sketch).max())
    ours, theirs = weights(parts), weights(whole)
    for name in ours:
        # The norms inside of the model round to float32; a step moves a parameter by up to 5e-3.
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6, err_msg=name)


@every_adaptation
def test_the_sketches_of_a_step_are_those_that_scoring_would_have_given(adaptation):
    found = trained(adaptation=adaptation)
    expected = found.signals(BATCH, frozenset({"grad_sketch"}))["grad_sketch"]
    sketch = found.step(BATCH, RNG(9)).sketch
    np.testing.assert_allclose(sketch, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@every_adaptation
@pytest.mark.parametrize("micro_batch_tokens", [8192, 18], ids=["whole", "parts"])
def test_a_weighted_step_goes_along_the_gradient_of_the_weighted_losses(adaptation, micro_batch_tokens):
    optimizer = OptimizerSettings(5e-3, "constant", warmup_share=0.0, grad_clip=1e9)
    found, plain = (
        trained(adaptation=adaptation, micro_batch_tokens=micro_batch_tokens, optimizer=optimizer) for _ in range(2)
    )
    weight = np.array([0.1, 2.0, 1.0, 0.5, 1.4, 1.0])
    expected = weighted_gradient(found._lm, BATCH, weight)
    for one in (found, plain):
        one.begin_stage(10)
    record, unweighted = found.step(BATCH, RNG(0), weight), plain.step(BATCH, RNG(0))
    assert record.grad_norm == pytest.approx(norm_of(expected), rel=1e-4)
    assert record.grad_norm != pytest.approx(unweighted.grad_norm, rel=1e-2)
    moments = found.optimizer_state()
    for name, gradient in expected.items():
        wanted = gradient.numpy()
        np.testing.assert_allclose(
            moments[f"exp_avg|{name}"] / 0.1, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max(), err_msg=name
        )
    assert record.loss == unweighted.loss
    near = {"rtol": 1e-3, "atol": 1e-4 * np.abs(unweighted.sketch).max()}
    np.testing.assert_allclose(record.sketch, unweighted.sketch, **near)


@every_adaptation
def test_weights_of_one_change_no_bit(adaptation):
    one, two = trained(adaptation=adaptation), trained(adaptation=adaptation)
    records = one.step(BATCH, RNG(0)), two.step(BATCH, RNG(0), np.ones(len(BATCH)))
    assert records[0].sketch.tobytes() == records[1].sketch.tobytes()
    assert same(one.parameters(), two.parameters())


def too_large(run, room):
    """`run` on batches of up to `room` padded tokens; larger ones run and then fail, as a backward pass may."""

    def limited(batch, *rest):
        found = run(batch, *rest)
        if len(batch) * max(len(tokens.ids) for tokens in batch) > room:
            raise torch.OutOfMemoryError("out of memory")
        return found

    return limited


@every_adaptation
def test_a_step_that_runs_out_of_memory_is_taken_in_smaller_parts(adaptation, monkeypatch):
    small, parts = learner(adaptation), learner(adaptation, micro_batch_tokens=18)
    monkeypatch.setattr(small._passes, "train", too_large(small._passes.train, 20))
    for found in (small, parts):
        found.begin_stage(10)
    one, other = (found.step(BATCH, RNG(0)) for found in (small, parts))
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-5)
    assert one.loss == pytest.approx(other.loss, rel=1e-6)
    np.testing.assert_allclose(one.sketch, other.sketch, rtol=1e-4, atol=1e-5 * np.abs(one.sketch).max())


def test_scores_of_a_pass_that_runs_out_of_memory_are_those_of_one_that_does_not(monkeypatch):
    found = trained()
    whole = found.signals(BATCH, EVERY_SIGNAL)
    monkeypatch.setattr(found._passes, "signals", too_large(found._passes.signals, 20))
    halved = found.signals(BATCH, EVERY_SIGNAL)
    for name in whole:
        np.testing.assert_allclose(halved[name], whole[name], rtol=1e-4, atol=1e-5 * np.abs(whole[name]).max())


def test_a_step_needs_a_stage():
    with pytest.raises(RuntimeError, match="begin_stage"):
        learner().step(BATCH, RNG(0))


def test_a_new_stage_starts_a_fresh_optimizer():
    found = trained()
    found.begin_stage(10)
    assert {name: int(array) for name, array in found.optimizer_state().items()} == {"schedule": 0}


# Dropout


def test_dropout_draws_from_the_generator_it_is_given_and_leaves_torchs_own_alone():
    before = torch.random.get_rng_state()
    found = trained(adaptation=Lora(4, 8.0, dropout=0.5))
    torch.random.set_rng_state(before)
    found.step(BATCH, RNG(9))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    assert same(
        trained(adaptation=Lora(4, 8.0, dropout=0.5)).parameters(),
        trained(adaptation=Lora(4, 8.0, dropout=0.5)).parameters(),
    )


def test_other_draws_and_no_dropout_give_other_steps():
    outcomes = []
    for dropout, seed in [(0.5, 0), (0.5, 1), (0.0, 0), (0.0, 1)]:
        found = learner(Lora(4, 8.0, dropout=dropout))
        found.begin_stage(10)
        found.step(BATCH, RNG(seed))
        outcomes.append(fingerprint.of_arrays(found.parameters()))
    assert outcomes[2] == outcomes[3]
    assert len(set(outcomes)) == 3


def test_scores_know_no_dropout():
    found = trained(adaptation=Lora(4, 8.0, dropout=0.5))
    one, other = (found.signals(BATCH, EVERY_SIGNAL) for _ in range(2))
    assert same(one, other)


# Going on


@pytest.mark.parametrize("adaptation", [Lora(4, 8.0, dropout=0.3), Full()], ids=["lora", "full"])
def test_going_on_from_parameters_and_optimizer_state_changes_no_bit(adaptation):
    whole, half = trained(5, adaptation=adaptation), trained(2, adaptation=adaptation)
    resumed = learner(adaptation, seed=7)
    resumed.load_parameters(half.parameters())
    resumed.begin_stage(10)
    resumed.load_optimizer_state(half.optimizer_state())
    for number in range(2, 5):
        resumed.step(BATCH, RNG(number))
    assert same(resumed.parameters(), whole.parameters())
    assert same(resumed.optimizer_state(), whole.optimizer_state())


def test_putting_parameters_back_undoes_training_and_drops_the_optimizer():
    found = trained(0)
    start, scores = found.parameters(), found.signals(BATCH, frozenset({"nll"}))
    found.step(BATCH, RNG(0))
    assert not same(found.parameters(), start)
    found.load_parameters(start)
    assert same(found.parameters(), start)
    assert same(found.signals(BATCH, frozenset({"nll"})), scores)
    assert found.optimizer_state() == {}
    with pytest.raises(RuntimeError, match="begin_stage"):
        found.step(BATCH, RNG(0))


def test_parameters_are_handed_out_as_copies():
    found = trained()
    handed = found.parameters()
    before = {name: array.copy() for name, array in handed.items()}
    found.step(BATCH, RNG(9))
    assert same(handed, before)


# Scores


@every_adaptation
def test_likelihoods_are_the_explicit_log_softmax_of_each_text_alone(adaptation):
    found = trained(adaptation=adaptation)
    likelihoods = found.likelihoods(BATCH)
    for row, tokens in enumerate(BATCH):
        log_p_LV = response_log_probabilities(found._lm, tokens)
        target_L = torch.tensor(tokens.ids[tokens.prompt_length :])
        assert likelihoods.nll_sum[row] == pytest.approx(-float(log_p_LV.gather(1, target_L[:, None]).sum()), rel=1e-5)
        assert likelihoods.hit_share[row] == pytest.approx(float((log_p_LV.argmax(1) == target_L).double().mean()))
        assert likelihoods.length[row] == tokens.response_length


def test_a_response_is_right_by_teacher_forcing_exactly_where_greedy_generation_gives_it():
    found = trained()
    texts, expected = [], []
    for prompt in ((7, 3), (11,), (4, 4, 4, 9), (30, 2, 1), (49, 48, 47)):
        right = greedy(found._lm, prompt, 5)
        others = [(*right[:place], (right[place] + 1) % 50, *right[place + 1 :]) for place in range(5)]
        for response in (right, *others):
            texts.append(Tokens(Example(f"e{len(texts)}", "p", "r"), (*prompt, *response), len(prompt)))
            expected.append(response == right)
    assert (found.likelihoods(texts).hit_share == 1).tolist() == expected


@pytest.mark.parametrize("batch_tokens", [1, 20, 16384])
def test_signals_come_in_the_order_of_the_texts_whatever_their_lengths(batch_tokens):
    found = trained(batch_tokens=batch_tokens)
    order = RNG(3).permutation(len(BATCH))
    rows = found.signals(BATCH, EVERY_SIGNAL)
    turned = found.signals([BATCH[row] for row in order], EVERY_SIGNAL)
    alone = [found.signals([tokens], EVERY_SIGNAL) for tokens in BATCH]
    assert rows.keys() == turned.keys() == EVERY_SIGNAL
    for name, values in rows.items():
        near = {"rtol": 1e-3, "atol": 1e-4 * np.abs(values).max(), "err_msg": name}
        np.testing.assert_allclose(turned[name], values[order], **near)
        np.testing.assert_allclose(np.concatenate([one[name] for one in alone]), values, **near)


@every_adaptation
def test_scoring_leaves_modes_gradients_and_parameters_as_they_were(adaptation):
    found = trained(adaptation=adaptation)
    found._lm.model.layers[0].train()
    modes = [module.training for module in found._lm.modules()]
    before, state = weights(found), found.optimizer_state()
    found.signals(BATCH, EVERY_SIGNAL)
    found.likelihoods(BATCH)
    assert [module.training for module in found._lm.modules()] == modes
    assert all(p.grad is None for p in found._lm.parameters())
    assert same(weights(found), before)
    assert same(found.optimizer_state(), state)


def test_a_model_that_is_not_stepping_is_in_evaluation_mode():
    found = trained()
    assert not any(module.training for module in found._lm.modules())


# Divergence


@every_adaptation
def test_a_loss_that_is_not_finite_names_the_examples_and_changes_no_parameter(adaptation):
    found = trained(adaptation=adaptation)
    poisoned = BATCH[2]
    only_there = next(
        token for token in poisoned.ids if all(token not in other.ids for other in BATCH if other is not poisoned)
    )
    with torch.no_grad():
        found._lm.model.embed_tokens.weight[only_there] = torch.nan
    before, state = weights(found), found.optimizer_state()
    with pytest.raises(DivergedError, match="The training loss is not finite for e2") as raised:
        found.step(BATCH, RNG(9))
    assert raised.value.example_ids == ("e2",)
    assert same(weights(found), before)
    assert same(found.optimizer_state(), state)
    assert not found._lm.training


def test_a_gradient_that_is_not_finite_names_the_examples_and_changes_no_parameter():
    found = trained()
    batch = make_batch([(3, 4)] * 4)[1]

    def overflow(_module, _inputs, output):
        if output.requires_grad:
            output.register_hook(lambda gradient: gradient * torch.tensor([1.0, 1.0, torch.inf, 1.0])[:, None, None])

    handle = found._lm.model.layers[0].mlp.down_proj.lora_B["default"].register_forward_hook(overflow)
    before, state = weights(found), found.optimizer_state()
    with pytest.raises(DivergedError, match="The gradient is not finite for e2") as raised:
        found.step(batch, RNG(9))
    handle.remove()
    assert raised.value.example_ids == ("e2",)
    assert same(weights(found), before)
    assert same(found.optimizer_state(), state)
    assert np.isfinite(found.step(batch, RNG(9)).grad_norm)


# The self-test


@pytest.mark.parametrize("adaptation", [Lora(), Full()], ids=["lora", "full"])
def test_the_shipped_model_passes_the_self_test(adaptation):
    folder = model_folder(TINY)
    texts = read_texts(folder, ("What is 2 + 3?", "5"), ("Say hello.", "hello"), ("x", "a longer response"))
    CausalLM(load_model(folder, "float32"), "hash", adaptation, SETTINGS, 0).self_test(texts)


@every_adaptation
def test_the_self_test_changes_nothing(adaptation):
    found = trained(adaptation=adaptation)
    before = weights(found)
    found.self_test(BATCH)
    assert same(weights(found), before)
    assert all(p.grad is None for p in found._lm.parameters())


def test_a_model_in_half_precision_passes_the_self_test():
    learner(dtype=torch.bfloat16).self_test(BATCH)


def test_a_model_that_rescales_its_logits_is_refused(monkeypatch):
    found = learner()
    original = found._lm.forward

    def forward(*inputs, **options):
        output = original(*inputs, **options)
        output.logits = output.logits / 2
        return output

    monkeypatch.setattr(found._lm, "forward", forward)
    with pytest.raises(ModelError, match="Logits must be hidden states times the output head"):
        found.self_test(BATCH)


def test_a_model_that_looks_ahead_is_refused():
    found = learner()
    for layer in found._lm.model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(ModelError, match="A token must be read the same whatever follows it"):
        found.self_test(BATCH)


def test_a_model_with_weights_that_are_not_finite_is_refused():
    found = learner()
    with torch.no_grad():
        found._lm.model.norm.weight[0] = torch.nan
    with pytest.raises(ModelError):
        found.self_test(BATCH)


@every_adaptation
def test_gradient_checkpointing_changes_memory_and_nothing_else(adaptation):
    plain, checkpointed = trained(adaptation=adaptation), trained(adaptation=adaptation, gradient_checkpointing=True)
    one, other = plain.step(BATCH, RNG(9)), checkpointed.step(BATCH, RNG(9))
    assert other.loss == pytest.approx(one.loss, rel=1e-6)
    np.testing.assert_allclose(other.sketch, one.sketch, rtol=1e-4, atol=1e-6)
    for name, values in plain.parameters().items():
        np.testing.assert_allclose(checkpointed.parameters()[name], values, rtol=1e-4, atol=1e-6)
    one, other = (found.signals(BATCH, EVERY_SIGNAL) for found in (plain, checkpointed))
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-3, atol=1e-5)
