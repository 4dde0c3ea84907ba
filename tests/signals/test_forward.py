import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError, ModelError
from farsighted.signals.forward import (
    gather_positions,
    gather_response,
    scoring_mode,
)
from oracles.signal_autograd import make_batch, response_states, tiny_llama

MODEL = tiny_llama().requires_grad_(requires_grad=False)
SHAPES = [(3, 4), (1, 1), (5, 1), (2, 7)]
shapes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4)


def gathered(shapes):
    ids, batch = make_batch(shapes)
    return gather_response(MODEL.model(ids).last_hidden_state, batch), batch


@settings(max_examples=25)
@given(shapes)
def test_gathered_states_equal_those_of_each_example_alone(shapes):
    ragged, batch = gathered(shapes)
    torch.testing.assert_close(ragged.hidden_RD, torch.cat([response_states(MODEL.model, tokens) for tokens in batch]))
    assert ragged.target_R.tolist() == [token for tokens in batch for token in tokens.ids[tokens.prompt_length :]]
    assert torch.bincount(ragged.row_R).tolist() == ragged.lengths_B.tolist() == [length for _, length in shapes]


def test_padded_puts_each_example_in_its_row_and_zeros_behind():
    ragged, _ = gathered([(2, 1), (1, 3)])
    assert ragged.padded(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist() == [[1, 0, 0], [2, 3, 4]]


def test_positions_are_the_response_the_real_tokens_or_everything():
    ids, batch = make_batch([(2, 1), (1, 3)])
    hidden = MODEL.model(ids).last_hidden_state
    assert gather_positions(hidden, batch, "response").lengths_B.tolist() == [1, 3]
    real = gather_positions(hidden, batch, "non_pad")
    torch.testing.assert_close(real.hidden_PD, torch.cat([hidden[0, :3], hidden[1, :4]]))


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
