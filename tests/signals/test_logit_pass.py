import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from farsighted.signals import logit_pass, logits
from farsighted.signals.forward import Ragged, gather_response
from farsighted.signals.logit_pass import LOGIT_SIGNALS, head_grad_norm, head_sketch, logit_signals
from farsighted.signals.logits import Head
from farsighted.signals.sketch import draw_two_sided
from farsighted.signals.token_names import TOKEN_READINGS, TOKEN_SIGNALS
from oracles.signal_autograd import VOCABULARY, make_batch, mean_nll, response_states, tiny_llama

MODEL = tiny_llama().requires_grad_(requires_grad=False)
WEIGHT = MODEL.lm_head.weight
BIAS = torch.linspace(-1, 1, VOCABULARY, dtype=torch.float64)
HEADS = {"plain": Head(WEIGHT), "bias": Head(WEIGHT, BIAS), "softcap": Head(WEIGHT, BIAS, 1.5)}
SHAPES = [(3, 4), (1, 1), (2, 20), (5, 1), (2, 7)]  # 20 response tokens: longer than the 16 hidden units
MAPS = draw_two_sided(np.random.default_rng(0), (VOCABULARY, 16), 8, torch.device("cpu"))
every_head = pytest.mark.parametrize("name", HEADS)
shapes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 20)), min_size=1, max_size=5)


def gathered(shapes):
    ids, batch = make_batch(shapes)
    return gather_response(MODEL.model(ids).last_hidden_state, batch), batch


def each_token(hidden_RD, head, target_R, want):
    """Statistics of each token, as an example of its own."""
    row_R = torch.arange(len(target_R))
    return logit_signals(Ragged(hidden_RD, target_R, row_R, torch.ones_like(row_R)), head, want)


def explicit(hidden_RD, head):
    linear_RV = hidden_RD @ head.weight_VD.T + (0 if head.bias_V is None else head.bias_V)
    return linear_RV if head.softcap is None else head.softcap * torch.tanh(linear_RV / head.softcap)


def weight_gradients(batch, head):
    """Autograd of each example's mean response NLL with respect to the head."""
    gradients = []
    for tokens in batch:
        weight = head.weight_VD.clone().requires_grad_()
        values_LV = explicit(response_states(MODEL.model, tokens), Head(weight, head.bias_V, head.softcap))
        targets = torch.tensor(tokens.ids[tokens.prompt_length :])
        gradients.extend(torch.autograd.grad(functional.cross_entropy(values_LV, targets), weight))
    return gradients


@settings(max_examples=15)
@given(shapes)
def test_the_mean_nll_equals_the_models_own_loss(shapes):
    ragged, batch = gathered(shapes)
    nll_N = logit_signals(ragged, HEADS["plain"], ["nll"])["nll"]
    torch.testing.assert_close(nll_N, torch.stack([mean_nll(MODEL, tokens) for tokens in batch]))


@every_head
@pytest.mark.parametrize("chunk", [60, 10**6])
@pytest.mark.parametrize("segment", [1, 7, 128])
def test_token_statistics_equal_their_definitions_on_an_explicit_softmax(name, chunk, segment, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    monkeypatch.setattr(logit_pass, "_SEGMENT", segment)
    monkeypatch.setattr(logit_pass, "_BLOCK", 3 * VOCABULARY)
    ragged, _ = gathered(SHAPES)
    found = each_token(ragged.hidden_RD, HEADS[name], ragged.target_R, TOKEN_SIGNALS)
    p_RV = torch.softmax(explicit(ragged.hidden_RD, HEADS[name]), -1).numpy()
    onehot_RV = np.eye(VOCABULARY)[ragged.target_R.numpy()]
    ordered_RV = np.sort(p_RV, axis=1)
    np.testing.assert_allclose(found["nll"], -np.log((p_RV * onehot_RV).sum(1)))
    np.testing.assert_allclose(found["entropy"], -(p_RV * np.log(p_RV)).sum(1))
    np.testing.assert_allclose(found["margin"], ordered_RV[:, -1] - ordered_RV[:, -2])
    np.testing.assert_allclose(found["el2n"], np.sqrt(((p_RV - onehot_RV) ** 2).sum(1)))
    np.testing.assert_array_equal(found["correctness"], p_RV.argmax(1) == ragged.target_R.numpy())


@every_head
@pytest.mark.parametrize("chunk", [60, 10**6])
def test_a_mean_over_tokens_can_be_had_token_by_token_from_the_same_look(name, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    ragged, _ = gathered(SHAPES)
    found = logit_signals(ragged, HEADS[name], TOKEN_SIGNALS | TOKEN_READINGS)
    for mean in TOKEN_SIGNALS:
        torch.testing.assert_close(ragged.mean(found[f"token_{mean}"]), found[mean], rtol=0, atol=0)


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_the_two_largest_are_those_of_a_sort_with_ties_to_the_first(vocabulary, seed):
    values_RV = torch.from_numpy(np.random.default_rng(seed).integers(-3, 4, (5, vocabulary)).astype(np.float32))
    found = logit_pass._two_largest(values_RV)
    ordered_RV = torch.sort(values_RV, -1, descending=True).values
    assert torch.equal(found.first, ordered_RV[:, 0])
    assert torch.equal(found.second, ordered_RV[:, 1] if vocabulary > 1 else torch.full((5,), -torch.inf))
    assert found.index_L1[:, 0].tolist() == values_RV.numpy().argmax(1).tolist()


def test_equal_largest_logits_leave_no_margin_and_the_first_counts_as_the_answer():
    head = Head(torch.tensor([[0.0], [5.0], [5.0]]))
    for target, correct in ((1, 1.0), (2, 0.0)):
        found = each_token(torch.ones(1, 1), head, torch.tensor([target]), {"margin", "correctness"})
        assert (found["margin"].item(), found["correctness"].item()) == (0.0, correct)


def test_only_what_is_wanted_is_computed_and_an_unknown_signal_is_refused():
    ragged, _ = gathered(SHAPES)
    assert logit_signals(ragged, HEADS["plain"], []) == {}
    assert logit_signals(ragged, HEADS["plain"], ["el2n"]).keys() == {"el2n"}
    with pytest.raises(ValueError, match="nlll"):
        logit_signals(ragged, HEADS["plain"], ["nlll"])
    with pytest.raises(ValueError, match="needs `maps`"):
        logit_signals(ragged, HEADS["plain"], ["head_sketch"])


def test_a_nearly_certain_target_keeps_its_digits():
    # Two words, logits 20 and 0: p of the other word is q = 1/(1+e^20), far below the rounding of 1.
    head, q = Head(torch.tensor([[20.0], [0.0]])), 1 / (1 + np.exp(20))
    ragged = Ragged(torch.ones(1, 1), torch.tensor([0]), torch.tensor([0]), torch.tensor([1]))
    found = logit_signals(ragged, head, {"nll", "el2n", "head_grad_norm"})
    assert found["nll"].item() == pytest.approx(-np.log1p(-q), rel=1e-5)
    assert found["el2n"].item() == pytest.approx(2**0.5 * q, rel=1e-5)
    assert found["head_grad_norm"].item() == pytest.approx(2**0.5 * q, rel=1e-5)


def test_a_hopeless_target_has_the_nll_of_its_logit():
    head = Head(torch.tensor([[200.0], [0.0]]))
    assert each_token(torch.ones(1, 1), head, torch.tensor([1]), {"nll"})["nll"].item() == 200.0


@every_head
@pytest.mark.parametrize("chunk", [40, 250, 700, 10**6])
def test_head_gradient_norm_and_sketch_equal_autograd_on_the_weight(name, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    monkeypatch.setattr(logit_pass, "_BLOCK", 2 * VOCABULARY)
    ragged, batch = gathered(SHAPES)
    gradients = weight_gradients(batch, HEADS[name])
    torch.testing.assert_close(head_grad_norm(ragged, HEADS[name]), torch.stack([g.norm() for g in gradients]))
    wanted = torch.stack([MAPS.of_matrix(gradient).flatten() for gradient in gradients])
    torch.testing.assert_close(head_sketch(ragged, HEADS[name], MAPS), wanted)


@settings(max_examples=15)
@given(shapes, st.integers(1, 40))
def test_where_the_chunks_end_changes_nothing(shapes, tokens_in_a_chunk):
    ragged, _ = gathered(shapes)
    whole = logit_signals(ragged, HEADS["softcap"], LOGIT_SIGNALS, MAPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logits, "CHUNK", tokens_in_a_chunk * VOCABULARY)
        parts = logit_signals(ragged, HEADS["softcap"], LOGIT_SIGNALS, MAPS)
    for name, values in whole.items():
        torch.testing.assert_close(parts[name], values)


@pytest.mark.parametrize("room", [1, 3, 5, 100])
def test_runs_hold_every_token_once_and_whole_examples_where_they_fit(room):
    lengths = [2, 3, 1, 7, 1, 1]
    runs = list(logit_pass._runs(lengths, 10, 10 * room))
    assert [token for run in runs for token in range(run.tokens.start, run.tokens.stop)] == list(range(sum(lengths)))
    assert max(run.tokens.stop - run.tokens.start for run in runs) <= room
    assert [row for run in runs for row in run.examples] == [row for row, size in enumerate(lengths) if size <= room]


def test_single_precision_stays_within_1e5_of_double():
    ragged, _ = gathered(SHAPES)
    single = Ragged(ragged.hidden_RD.float(), ragged.target_R, ragged.row_R, ragged.lengths_B)
    wanted = logit_signals(ragged, HEADS["plain"], LOGIT_SIGNALS, MAPS)
    for name, values in logit_signals(single, Head(WEIGHT.float()), LOGIT_SIGNALS, MAPS).items():
        assert float((values - wanted[name]).norm()) <= 1e-5 * float(wanted[name].norm()), name


def test_half_precision_is_read_in_single_precision():
    ragged, _ = gathered(SHAPES)
    half = Ragged(ragged.hidden_RD.bfloat16(), ragged.target_R, ragged.row_R, ragged.lengths_B)
    wanted = logit_signals(ragged, HEADS["plain"], LOGIT_SIGNALS, MAPS)
    for name, values in logit_signals(half, Head(WEIGHT.bfloat16()), LOGIT_SIGNALS, MAPS).items():
        assert values.dtype == torch.float32
        if name not in {"correctness", "margin"}:  # which may turn where two logits are close
            assert float((values - wanted[name]).norm()) <= 0.05 * float(wanted[name].norm()), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares a CUDA device with the CPU")
def test_a_cuda_device_gives_what_the_cpu_gives():
    ragged, _ = gathered(SHAPES)
    moved = Ragged(*(getattr(ragged, name).cuda() for name in ("hidden_RD", "target_R", "row_R", "lengths_B")))
    maps = draw_two_sided(np.random.default_rng(0), (VOCABULARY, 16), 8, torch.device("cuda"))
    wanted = logit_signals(ragged, HEADS["plain"], LOGIT_SIGNALS, MAPS)
    for name, values in logit_signals(moved, Head(WEIGHT.cuda()), LOGIT_SIGNALS, maps).items():
        torch.testing.assert_close(values.cpu(), wanted[name])
