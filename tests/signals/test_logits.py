import pytest
import torch
from torch.nn import functional

from farsighted.signals import logits
from farsighted.signals.logits import Head, chunks, residual, token_nll


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


HEADS = [Head(draw(11, 4)), Head(draw(11, 4), draw(11, seed=1)), Head(3 * draw(11, 4), draw(11, seed=1), 2.0)]


def explicit_logits(hidden, head):
    values = hidden @ head.weight_VD.T + (0 if head.bias_V is None else head.bias_V)
    return values if head.softcap is None else head.softcap * torch.tanh(values / head.softcap)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("chunk", [1, 25, 10_000])
def test_token_nll_and_all_its_gradients_equal_cross_entropy(head, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    target, upstream = torch.tensor([3, 0, 10, 3, 7]), draw(5, seed=3)
    leaves = [draw(5, 4, seed=2).requires_grad_(), head.weight_VD.clone().requires_grad_()]
    leaves += [] if head.bias_V is None else [head.bias_V.clone().requires_grad_()]
    trained = Head(leaves[1], leaves[2] if len(leaves) == 3 else None, head.softcap)
    found = token_nll(leaves[0], trained, target)
    wanted = functional.cross_entropy(explicit_logits(leaves[0], trained), target, reduction="none")
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad((values * upstream).sum(), leaves) for values in (found, wanted)]
    torch.testing.assert_close(*gradients)


def test_a_frozen_head_gets_no_gradient_and_hidden_still_does():
    hidden = draw(3, 4).requires_grad_()
    token_nll(hidden, HEADS[1], torch.tensor([1, 2, 3])).sum().backward()
    assert hidden.grad is not None
    assert HEADS[1].weight_VD.grad is None


@pytest.mark.parametrize("head", HEADS)
def test_residual_blocks_side_by_side_equal_the_gradient_of_nll_with_respect_to_linear_logits(head):
    hidden, target = draw(5, 4, seed=2), torch.tensor([3, 0, 10, 3, 7])
    linear = (hidden @ head.weight_VD.T + (0 if head.bias_V is None else head.bias_V)).requires_grad_()
    capped = linear if head.softcap is None else head.softcap * torch.tanh(linear / head.softcap)
    (wanted,) = torch.autograd.grad(functional.cross_entropy(capped, target, reduction="sum"), linear)
    values = head.logits(hidden)
    lse = values.logsumexp(-1)
    found = [residual(head, values[:, start : start + 4], lse, target, start) for start in (0, 4, 8)]
    torch.testing.assert_close(torch.cat(found, -1), wanted)


def test_half_precision_is_widened_and_double_is_kept():
    head = Head(draw(11, 4).to(torch.bfloat16))
    assert head.logits(draw(2, 4)).dtype == torch.float32
    assert HEADS[0].logits(draw(2, 4)).dtype == torch.float64


def test_chunks_cover_every_row_once_and_hold_at_most_the_limit(monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", 10)
    cut = list(chunks(8, 3, torch.device("cpu")))
    assert [row for part in cut for row in range(8)[part]] == list(range(8))
    assert max(part.stop - part.start for part in cut) == 3
    assert [part.stop - part.start for part in chunks(2, 99, torch.device("cpu"))] == [1, 1]
