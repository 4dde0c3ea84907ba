import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError, ModelError
from farsighted.signals import logits
from farsighted.signals.forward import (
    TOKEN_SIGNALS,
    gather_positions,
    gather_response,
    scoring_mode,
    token_statistics,
)
from farsighted.signals.logits import Head
from oracles.signal_autograd import make_batch, mean_nll, response_states, tiny_llama

MODEL = tiny_llama().requires_grad_(requires_grad=False)
HEAD = Head(MODEL.lm_head.weight)
SHAPES = [(3, 4), (1, 1), (5, 1), (2, 7)]
shapes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4)


def gathered(shapes):
    ids, batch = make_batch(shapes)
    return gather_response(MODEL.model(ids).last_hidden_state, batch), batch


@settings(deadline=None, max_examples=25)
@given(shapes)
def test_gathered_states_equal_those_of_each_example_alone(shapes):
    ragged, batch = gathered(shapes)
    torch.testing.assert_close(ragged.hidden_RD, torch.cat([response_states(MODEL.model, tokens) for tokens in batch]))
    assert ragged.target_R.tolist() == [token for tokens in batch for token in tokens.ids[tokens.prompt_length :]]
    assert torch.bincount(ragged.row_R).tolist() == ragged.lengths_B.tolist() == [length for _, length in shapes]


@settings(deadline=None, max_examples=15)
@given(shapes)
def test_the_mean_nll_equals_the_models_own_loss(shapes):
    ragged, batch = gathered(shapes)
    nll_B = ragged.mean(token_statistics(ragged.hidden_RD, HEAD, ragged.target_R, ["nll"])["nll"])
    torch.testing.assert_close(nll_B, torch.stack([mean_nll(MODEL, tokens) for tokens in batch]))


@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("chunk", [60, 10**6])
def test_token_statistics_equal_their_definitions_on_an_explicit_softmax(softcap, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    ragged, _ = gathered(SHAPES)
    bias = torch.linspace(-1, 1, 50, dtype=torch.float64)
    found = token_statistics(ragged.hidden_RD, Head(HEAD.weight_VD, bias, softcap), ragged.target_R, TOKEN_SIGNALS)
    linear = ragged.hidden_RD @ MODEL.lm_head.weight.T + bias
    p_RV = torch.softmax(linear if softcap is None else softcap * torch.tanh(linear / softcap), -1).numpy()
    onehot_RV = np.eye(50)[ragged.target_R.numpy()]
    ordered_RV = np.sort(p_RV, axis=1)
    np.testing.assert_allclose(found["nll"], -np.log((p_RV * onehot_RV).sum(1)))
    np.testing.assert_allclose(found["entropy"], -(p_RV * np.log(p_RV)).sum(1))
    np.testing.assert_allclose(found["margin"], ordered_RV[:, -1] - ordered_RV[:, -2])
    np.testing.assert_allclose(found["el2n"], np.sqrt(((p_RV - onehot_RV) ** 2).sum(1)))
    np.testing.assert_array_equal(found["correctness"], p_RV.argmax(1) == ragged.target_R.numpy())


def test_only_what_is_wanted_is_computed_and_an_unknown_statistic_is_refused():
    ragged, _ = gathered(SHAPES)
    assert token_statistics(ragged.hidden_RD, HEAD, ragged.target_R, []) == {}
    assert token_statistics(ragged.hidden_RD, HEAD, ragged.target_R, ["el2n"]).keys() == {"el2n"}
    with pytest.raises(ValueError, match="nlll"):
        token_statistics(ragged.hidden_RD, HEAD, ragged.target_R, ["nlll"])


def test_a_nearly_certain_target_keeps_the_digits_of_its_el2n():
    # Two words, logits 8 and 0: p of the other word is q = 1/(1+e^8), so the norm is sqrt(2) q.
    head = Head(torch.tensor([[8.0], [0.0]]))
    found = token_statistics(torch.ones(1, 1), head, torch.tensor([0]), ["el2n"])["el2n"]
    assert found.item() == pytest.approx(2**0.5 / (1 + np.exp(8)), rel=1e-3)


def test_padded_puts_each_example_in_its_row_and_zeros_behind():
    ragged, _ = gathered([(2, 1), (1, 3)])
    assert ragged.padded(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist() == [[1, 0, 0], [2, 3, 4]]


def test_a_run_of_examples_equals_the_same_examples_gathered_alone():
    ragged, batch = gathered(SHAPES)
    part, lengths = ragged.examples(slice(1, 3)), [tokens.response_length for tokens in batch]
    torch.testing.assert_close(part.hidden_RD, ragged.hidden_RD[lengths[0] : lengths[0] + lengths[1] + lengths[2]])
    assert part.row_R.tolist() == [0, 1]


def test_positions_are_the_response_the_real_tokens_or_everything():
    ids, batch = make_batch([(2, 1), (1, 3)])
    hidden = MODEL.model(ids).last_hidden_state
    assert gather_positions(hidden, batch, "response").lengths_B.tolist() == [1, 3]
    real = gather_positions(hidden, batch, "non_pad")
    torch.testing.assert_close(real.hidden_PD, torch.cat([hidden[0, :3], hidden[1, :4]]))
    torch.testing.assert_close(gather_positions(hidden, batch, "all").hidden_PD, hidden.flatten(0, 1))


@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
def test_an_empty_prompt_or_response_is_refused_by_name(shape):
    ids, batch = make_batch([(3, 2), shape])
    with pytest.raises(DataError, match="e1"):
        gather_response(torch.zeros(*ids.shape, 4), batch)


@pytest.mark.parametrize("shape", [(1, 5, 4), (2, 3, 4)])
def test_states_of_another_batch_are_refused(shape):
    _, batch = make_batch([(3, 2), (1, 1)])
    with pytest.raises(ModelError, match="one row an example"):
        gather_response(torch.zeros(shape), batch)


def test_scoring_mode_gives_each_module_its_own_mode_back():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout().eval())
    with scoring_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, False]
