import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Gemma2Config, Gemma2ForCausalLM

from farsighted.core.errors import DivergedError, ModelError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.passes import Passes, trunk_and_head
from oracles import own_signals  # noqa: F401 — it registers its signals
from oracles.hf_reference import greedy
from oracles.signal_autograd import HIDDEN, VOCABULARY, make_batch, norm_of, randomize, tiny_llama

IDS, BATCH = make_batch([(3, 4), (1, 1), (5, 2), (2, 7)])
TOTAL = sum(tokens.response_length for tokens in BATCH)
SIGNALS = ["nll", "nuclear_norm", "logit_sketch", "head_sketch", "grad_norm", "grad_sketch", "embedding"]
PAIRS = list(itertools.combinations(SIGNALS, 2))


def passes_over(lm):
    return Passes(*trunk_and_head(lm))


@pytest.fixture(scope="module")
def adapted():
    """A model with a non-zero adapter, and its passes."""
    lm = Lora(3, 5.0).apply(
        tiny_llama(dtype=torch.float32).requires_grad_(requires_grad=False), np.random.default_rng(0)
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in lm.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.2, generator=generator)
    return lm, passes_over(lm)


def test_a_model_is_a_trunk_that_gives_hidden_states_and_a_head():
    lm = tiny_llama()
    trunk, head = trunk_and_head(lm)
    assert trunk is lm.model
    assert head.weight_VD is lm.lm_head.weight
    assert (head.bias_V, head.softcap) == (None, None)


def test_a_bias_of_the_head_belongs_to_it():
    lm = tiny_llama()
    lm.lm_head = nn.Linear(HIDDEN, VOCABULARY)
    assert trunk_and_head(lm)[1].bias_V is lm.lm_head.bias


def test_a_model_without_a_head_is_refused():
    with pytest.raises(ModelError, match=r"LlamaModel has no separate trunk and output head\. Choose a causal"):
        trunk_and_head(tiny_llama().model)


def test_a_model_that_caps_its_logits_passes_the_self_test():
    config = Gemma2Config(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        vocab_size=VOCABULARY,
        final_logit_softcapping=2.0,
    )
    lm = Gemma2ForCausalLM(config).eval()
    randomize(lm, 0)
    Full().apply(lm, np.random.default_rng(0))
    assert trunk_and_head(lm)[1].softcap == 2.0
    passes_over(lm).self_test(lm, BATCH)


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_a_signal_is_the_same_alone_and_with_another(adapted, pair):
    _, passes = adapted
    together = passes.signals(BATCH, frozenset(pair))
    assert together.keys() == set(pair)
    for name in pair:
        alone = passes.signals(BATCH, frozenset({name}))[name]
        near = {"rtol": 1e-4, "atol": 1e-5 * np.abs(alone).max(), "err_msg": name}
        np.testing.assert_allclose(together[name], alone, **near)


def test_an_embedding_is_the_mean_state_over_prompt_and_response_at_length_one(adapted):
    lm, passes = adapted
    rows = passes.signals(BATCH, frozenset({"embedding"}))["embedding"]
    for row, tokens in zip(rows, BATCH, strict=True):
        with torch.no_grad():
            mean = lm.model(torch.tensor([tokens.ids[:-1]])).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-5)


def test_training_adds_the_gradient_of_the_share_of_a_loss_over_more_examples(adapted):
    lm, passes = adapted
    parameters = [p for p in lm.parameters() if p.requires_grad]
    lm.zero_grad()
    found = [passes.train(part, TOTAL, np.ones(len(part))) for part in (BATCH[:2], BATCH[2:])]
    ours = [p.grad.clone() for p in parameters]
    lm.zero_grad()
    nll = [
        nn.functional.cross_entropy(
            lm(torch.tensor([tokens.ids])).logits[0, tokens.prompt_length - 1 : -1],
            torch.tensor(tokens.ids[tokens.prompt_length :]),
            reduction="sum",
        )
        for tokens in BATCH
    ]
    expected = torch.autograd.grad(sum(nll) / TOTAL, parameters)
    lm.zero_grad()
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        np.concatenate([part["nll_sum"] for part in found]), [term.item() for term in nll], rtol=1e-5
    )


@pytest.mark.parametrize("train_head", [False, True])
def test_the_norm_of_a_gradient_counts_the_head_exactly_where_it_is_trained(train_head):
    adaptation = Full(train_head)
    lm = adaptation.apply(tiny_llama(dtype=torch.float32), np.random.default_rng(0))
    norms = passes_over(lm).signals(BATCH, frozenset({"grad_norm"}))["grad_norm"]
    for norm, tokens in zip(norms, BATCH, strict=True):
        loss = nn.functional.cross_entropy(
            lm(torch.tensor([tokens.ids])).logits[0, tokens.prompt_length - 1 : -1],
            torch.tensor(tokens.ids[tokens.prompt_length :]),
        )
        named = {name: p for name, p in lm.named_parameters() if p.requires_grad}
        gradients = dict(zip(named, torch.autograd.grad(loss, named.values()), strict=True))
        assert ("lm_head.weight" in gradients) == train_head
        assert norm == pytest.approx(norm_of(gradients), rel=1e-4)


def test_what_is_derived_from_a_trained_head_follows_it():
    lm = Full(train_head=True).apply(tiny_llama(dtype=torch.float32), np.random.default_rng(0))
    passes, needs = passes_over(lm), frozenset({"nuclear_norm", "logit_sketch"})
    before = passes.signals(BATCH, needs)
    with torch.no_grad():
        lm.lm_head.weight.mul_(2)
    after = passes.signals(BATCH, needs)
    for name in needs:
        np.testing.assert_allclose(after[name], 2 * before[name], rtol=1e-4, atol=1e-4 * np.abs(before[name]).max())


def test_sketches_of_two_runs_can_be_compared():
    one, other = (passes_over(tiny_llama(dtype=torch.float32)) for _ in range(2))
    needs = frozenset({"grad_sketch", "head_sketch", "logit_sketch"})
    rows, again = one.signals(BATCH, needs), other.signals(BATCH, needs)
    assert all(np.array_equal(rows[name], again[name]) for name in needs)


def test_a_loss_that_is_not_finite_stops_before_the_backward_pass(adapted):
    lm, _ = adapted
    lm = tiny_llama(dtype=torch.float32)
    with torch.no_grad():
        lm.lm_head.weight[BATCH[3].ids[-1]] = torch.inf
    with pytest.raises(DivergedError, match="The training loss is not finite"):
        passes_over(lm).train(BATCH, TOTAL, np.ones(len(BATCH)))
    assert all(p.grad is None for p in lm.parameters())


def test_the_self_test_does_not_depend_on_how_well_the_model_knows_the_texts():
    lm = Full().apply(tiny_llama(dtype=torch.float32), np.random.default_rng(0))
    with torch.no_grad():
        lm.lm_head.weight.mul_(25)
    prompt = BATCH[0].ids[:2]
    known = dataclasses.replace(BATCH[0], ids=(*prompt, *greedy(lm, prompt, 4)), prompt_length=2)
    passes = passes_over(lm)
    assert passes.signals([known], frozenset({"nll"}))["nll"] < 1e-4
    passes.self_test(lm, [known])


def test_signals_of_ones_own_join_the_one_pass(adapted, monkeypatch):
    _, passes = adapted
    calls = []
    monkeypatch.setattr(passes, "_trunk", Counting(passes._trunk, calls))
    passes.signals(BATCH, frozenset({"nll", "surprise", "hidden"}))
    assert len(calls) == 1
    passes.signals(BATCH, frozenset({"nll", "surprise", "pull", "grad_sketch"}))
    assert len(calls) == 2


def test_a_provider_reads_the_nll_of_each_response_token(adapted):
    lm, passes = adapted
    found = passes.signals(BATCH, frozenset({"surprise"}))["surprise"]
    for row, tokens in enumerate(BATCH):
        log_p_LV = torch.log_softmax(lm(torch.tensor([tokens.ids])).logits[0], -1)
        nll = [-log_p_LV[at - 1, tokens.ids[at]].item() for at in range(tokens.prompt_length, len(tokens.ids))]
        assert found[row] == pytest.approx(max(nll), rel=1e-5)


def test_a_provider_reads_gradients_of_the_pass_that_a_step_is_kept_from(adapted):
    _, passes = adapted
    needs = frozenset({"pull"})
    plain = passes.signals(BATCH, frozenset({"nll", "grad_norm"}))
    kept, _ = passes.signals_kept(BATCH, needs)
    for found in (kept, passes.signals(BATCH, needs)):
        np.testing.assert_allclose(found["pull"], plain["grad_norm"] / (plain["nll"] + 1e-6), rtol=1e-5)


class Counting(nn.Module):
    """A trunk that counts its calls."""

    def __init__(self, trunk, calls):
        super().__init__()
        self.trunk, self.calls = trunk, calls

    def forward(self, ids):
        self.calls.append(len(ids))
        return self.trunk(ids)
