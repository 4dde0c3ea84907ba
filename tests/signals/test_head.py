import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.signals import logits
from farsighted.signals.forward import Positions, gather_response
from farsighted.signals.head import (
    build_logit_map,
    gram_of_head,
    logit_sketch,
    nuclear_norm,
    root_of_gram,
)
from farsighted.signals.logits import Head
from farsighted.signals.sketch import row_signs
from oracles.signal_autograd import make_batch, response_states, tiny_llama

MODEL = tiny_llama().requires_grad_(requires_grad=False)
WEIGHT = MODEL.lm_head.weight
BIAS = torch.linspace(-1, 1, 50, dtype=torch.float64)
HEADS = {"plain": Head(WEIGHT), "bias": Head(WEIGHT, BIAS), "softcap": Head(WEIGHT, BIAS, 1.5)}
SHAPES = [(3, 4), (1, 1), (2, 20), (5, 1), (2, 7)]  # 20 response tokens: longer than the 16 hidden units
lengths = st.lists(st.integers(1, 20), min_size=1, max_size=4)


def gathered(shapes):
    ids, batch = make_batch(shapes)
    return gather_response(MODEL.model(ids).last_hidden_state, batch), batch


def capped(values, head):
    return values if head.softcap is None else head.softcap * torch.tanh(values / head.softcap)


def explicit_logits(batch, head):
    states = [response_states(MODEL.model, tokens) for tokens in batch]
    return [capped(rows @ head.weight_VD.T + (0 if head.bias_V is None else head.bias_V), head) for rows in states]


@settings(max_examples=25)
@given(lengths)
def test_nuclear_norm_equals_singular_values_of_explicit_logits(lengths):
    ragged, batch = gathered([(2, length) for length in lengths])
    root = root_of_gram(gram_of_head(HEADS["plain"]))
    found = nuclear_norm(Positions(ragged.hidden_RD, ragged.lengths_B), HEADS["plain"], root)
    wanted = torch.stack([torch.linalg.svdvals(values).sum() for values in explicit_logits(batch, HEADS["plain"])])
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nuclear_norm_in_single_precision_is_within_1e5_of_the_exact_one(dtype):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(300, 64, generator=generator, dtype=torch.float64) * torch.logspace(0, -3, 64)
    hidden = torch.randn(100, 64, generator=generator, dtype=torch.float64)
    head = Head(weight.to(dtype))
    root = root_of_gram(gram_of_head(head))
    exact = torch.stack([torch.linalg.svdvals(part @ weight.T).sum() for part in hidden.split([10, 20, 70])])
    found = nuclear_norm(Positions(hidden.to(dtype), torch.tensor([10, 20, 70])), head, root)
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["bias", "softcap"])
@pytest.mark.parametrize("chunk", [40, 10**6])
def test_a_head_without_shortcut_still_gives_the_exact_nuclear_norm(name, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    ragged, batch = gathered(SHAPES)
    found = nuclear_norm(Positions(ragged.hidden_RD, ragged.lengths_B), HEADS[name], None)
    wanted = torch.stack([torch.linalg.svdvals(values).sum() for values in explicit_logits(batch, HEADS[name])])
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("rank", [1, 2, 8, 48])
def test_parallel_states_keep_the_nuclear_norm_within_its_stated_bound(rank):
    generator = torch.Generator().manual_seed(rank)
    hidden = torch.randn(60, rank, generator=generator) @ torch.randn(rank, 48, generator=generator)
    head = Head(torch.randn(300, 48, generator=generator))
    exact = torch.linalg.svdvals(hidden.double() @ head.weight_VD.double().T).sum()
    found = nuclear_norm(Positions(hidden, torch.tensor([60])), head, root_of_gram(gram_of_head(head)))
    assert abs(found / exact - 1) < 1.5e-8 * 60


def test_a_vocabulary_smaller_than_the_hidden_width_has_a_nuclear_norm_too():
    generator = torch.Generator().manual_seed(0)
    weight, hidden = (torch.randn(rows, 8, generator=generator, dtype=torch.float64) for rows in (3, 5))
    root = root_of_gram(gram_of_head(Head(weight)))
    found = nuclear_norm(Positions(hidden, torch.tensor([5])), Head(weight), root)
    torch.testing.assert_close(found, torch.linalg.svdvals(hidden @ weight.T).sum()[None], rtol=1e-6, atol=0)


def test_states_that_are_not_finite_give_nan_for_their_example_alone():
    hidden = torch.ones(4, 16, dtype=torch.float64)
    hidden[3, 0] = torch.nan
    root = root_of_gram(gram_of_head(HEADS["plain"]))
    found = nuclear_norm(Positions(hidden, torch.tensor([2, 2])), HEADS["plain"], root)
    assert torch.isnan(found).tolist() == [False, True]


def test_a_linear_head_without_its_root_is_refused():
    with pytest.raises(ValueError, match="root_of_gram"):
        nuclear_norm(Positions(torch.zeros(1, 16), torch.tensor([1])), HEADS["plain"], None)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("chunk", [40, 10**6])
def test_logit_sketch_equals_explicit_maps_applied_to_explicit_logits(name, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    ragged, batch = gathered(SHAPES)
    capped_head = HEADS["softcap"]
    feature = build_logit_map(capped_head, np.random.default_rng(0)).feature_VK.double()
    logit_map = build_logit_map(HEADS[name], np.random.default_rng(0))
    wanted = [
        (torch.from_numpy(row_signs(logit_map.time_seed, len(values), 8)).double().T @ values @ feature).flatten()
        for values in explicit_logits(batch, HEADS[name])
    ]
    found = logit_sketch(Positions(ragged.hidden_RD, ragged.lengths_B), HEADS[name], logit_map)
    torch.testing.assert_close(found, torch.stack(wanted))


def test_logit_sketch_has_the_squared_norm_of_the_logits_on_average():
    generator = torch.Generator().manual_seed(0)
    head = Head(torch.randn(200, 4, generator=generator, dtype=torch.float64))
    hidden = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    position = Positions(hidden, torch.tensor([12]))
    draws = np.random.default_rng(0)
    squares = np.array(
        [float(logit_sketch(position, head, build_logit_map(head, draws)).square().sum()) for _ in range(800)]
    )
    truth = float((hidden @ head.weight_VD.T).square().sum())
    assert abs(squares.mean() - truth) <= 3 * squares.std() / np.sqrt(len(squares))
