import numpy as np
import pytest
import torch

from farsighted.signals import logits
from farsighted.signals.factors import Lookup
from farsighted.signals.forward import Ragged
from farsighted.signals.logits import Head, token_nll
from farsighted.signals.sketch import draw_two_sided
from farsighted.signals.tied import HeadPart

LENGTHS = [4, 1, 3]
VOCABULARY, WIDTH = 11, 6


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def head_part(softcap=None, bias=True):
    total = sum(LENGTHS)
    target_R = torch.tensor(np.random.default_rng(0).integers(0, VOCABULARY, total))
    row_R = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    head = Head(draw(VOCABULARY, WIDTH), draw(VOCABULARY, seed=1) if bias else None, softcap)
    return HeadPart(Ragged(draw(total, WIDTH, seed=2), target_R, row_R, torch.tensor(LENGTHS)), head)


def gradients(part):
    """(N, V, D): each example's gradient by autograd."""
    ragged, head = part.ragged, part.head
    weight_VD = head.weight_VD.clone().requires_grad_()
    mean_N = ragged.mean(token_nll(ragged.hidden_RD, Head(weight_VD, head.bias_V, head.softcap), ragged.target_R))
    return torch.stack([torch.autograd.grad(mean, weight_VD, retain_graph=True)[0] for mean in mean_N])


every_head = pytest.mark.parametrize(("softcap", "bias"), [(None, False), (None, True), (1.5, False)])


@every_head
@pytest.mark.parametrize("chunk", [1, 10**6])
def test_norm_sketch_and_inner_product_are_those_of_the_heads_own_gradient(softcap, bias, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    part = head_part(softcap, bias)
    truth_NVD = gradients(part)
    torch.testing.assert_close(part.squared_norm(), truth_NVD.square().sum((1, 2)))
    maps = draw_two_sided(np.random.default_rng(0), (VOCABULARY, WIDTH), 4, torch.device("cpu"))
    torch.testing.assert_close(part.sketch(maps), torch.stack([maps.of_matrix(matrix) for matrix in truth_NVD]))
    ids_NT = torch.tensor(np.random.default_rng(1).integers(0, VOCABULARY, (len(LENGTHS), 5)))
    lookup = Lookup(ids_NT, draw(len(LENGTHS), 5, WIDTH, seed=4))
    embedded_NVD = torch.stack(
        [
            torch.zeros(VOCABULARY, WIDTH).double().index_add(0, ids, right)
            for ids, right in zip(ids_NT, lookup.right_BTI, strict=True)
        ]
    )
    torch.testing.assert_close(part.inner(lookup), (embedded_NVD * truth_NVD).sum((1, 2)))


@every_head
def test_the_weighted_sum_is_that_of_the_gradients(softcap, bias):
    part, weight_N = head_part(softcap, bias), torch.tensor([0.5, 0.0, -2.0], dtype=torch.float64)
    wanted = (weight_N[:, None, None] * gradients(part)).sum(0)
    torch.testing.assert_close(part.weighted_sum(weight_N), wanted)
