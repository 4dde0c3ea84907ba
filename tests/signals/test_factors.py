import numpy as np
import pytest
import torch
from torch import nn

from farsighted.signals import logits
from farsighted.signals.factors import Lookup, Outer, Product, Tied, Vector, combined, factors_of, kind_of
from farsighted.signals.sketch import SketchSum, draw_two_sided


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("chunk", [1, 10**6])
@pytest.mark.parametrize("positions", [1, 2, 40])
def test_the_squared_norm_of_outer_products_is_that_of_their_sum(positions, chunk, monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", chunk)
    left, right = draw(3, positions, 10), draw(3, positions, 8, seed=1)
    wanted = torch.einsum("bto,bti->boi", left, right).square().sum((1, 2))
    torch.testing.assert_close(Outer(left, right).squared_norm(), wanted)


@pytest.mark.parametrize(("rows", "columns", "form"), [(2, 9, Product), (9, 2, Product), (40, 50, Outer)])
def test_the_smaller_form_has_the_same_norm_and_sketch(rows, columns, form):
    left, right = draw(3, 7, rows), draw(3, 7, columns, seed=1)
    maps = draw_two_sided(np.random.default_rng(0), (rows, columns), 4, torch.device("cpu"))
    whole = Outer(left, right)
    assert type(whole.compact()) is form
    torch.testing.assert_close(whole.compact().squared_norm(), whole.squared_norm())
    wanted = torch.stack([maps.of_matrix(matrix) for matrix in torch.bmm(left.mT, right)])
    total = SketchSum()
    whole.compact().add_sketch(total, maps)
    torch.testing.assert_close(total.total(), wanted)


def test_positions_of_the_same_id_add_up_before_the_norm():
    # Rows: id 4 gets (1, 0) + (2, 0) = (3, 0), id 7 gets (0, 5): 9 + 25.
    lookup = Lookup(torch.tensor([[4, 7, 4]]), torch.tensor([[[1.0, 0.0], [0.0, 5.0], [2.0, 0.0]]]))
    assert lookup.squared_norm().tolist() == [34.0]


def test_parts_of_one_parameter_are_summed_before_the_norm():
    first, second = Outer(draw(3, 7, 5), draw(3, 7, 6, seed=1)), Outer(draw(3, 2, 5, seed=2), draw(3, 2, 6, seed=3))
    lookup = Lookup(torch.tensor([[1, 4, 1]] * 3), draw(3, 3, 6, seed=4))
    explicit = sum(torch.bmm(part.left_BTO.mT, part.right_BTI) for part in (first, second))
    torch.testing.assert_close(combined([first, second]).squared_norm(), explicit.square().sum((1, 2)))
    tied = combined([lookup, first, second])
    explicit = explicit.index_add(1, lookup.ids_BT[0], lookup.right_BTI)
    assert type(tied) is Tied
    torch.testing.assert_close(tied.squared_norm(), explicit.square().sum((1, 2)))
    maps, total = draw_two_sided(np.random.default_rng(0), (5, 6), 4, torch.device("cpu")), SketchSum()
    tied.add_sketch(total, maps)
    torch.testing.assert_close(total.total(), torch.stack([maps.of_matrix(matrix) for matrix in explicit]))
    vector = combined([Vector(draw(3, 5)), Vector(draw(3, 5, seed=1))])
    torch.testing.assert_close(vector.squared_norm(), (draw(3, 5) + draw(3, 5, seed=1)).square().sum(1))


class GemmaRMSNorm(nn.Module):
    """A norm that multiplies by 1 + weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(draw(6))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


MODULES = [
    nn.Linear(6, 5).double(),
    nn.LayerNorm(6).double(),
    nn.RMSNorm(6).double(),
    GemmaRMSNorm(),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
@pytest.mark.parametrize("middle", [(), (4,), (2, 3)])
def test_factors_equal_autograd_of_each_example(module, middle):
    inputs = draw(3, *middle, 6, seed=2)
    gradient = draw(*module(inputs).shape, seed=3)
    factors = factors_of(module, (inputs,), {}, gradient)
    for row in range(3):
        names = dict(module.named_parameters())
        wanted = torch.autograd.grad(module(inputs[row : row + 1]), list(names.values()), gradient[row : row + 1])
        for name, truth in zip(names, wanted, strict=True):
            torch.testing.assert_close(factors[name].squared_norm()[row], truth.square().sum())


def test_the_padding_row_of_an_embedding_gets_no_gradient():
    module = nn.Embedding(5, 2, padding_idx=1).double()
    factors = factors_of(module, (torch.tensor([[1, 2]]),), {}, torch.ones(1, 2, 2, dtype=torch.float64))
    assert factors["weight"].squared_norm().tolist() == [2.0]


class Scaled(nn.Embedding):
    """An embedding that does something else."""

    def forward(self, ids):
        return 2 * super().forward(ids)


UNKNOWN = [
    Scaled(4, 2),
    nn.Embedding(4, 2, max_norm=1.0),
    nn.Embedding(4, 2, scale_grad_by_freq=True),
    nn.LayerNorm((2, 3)),
    nn.BatchNorm1d(3),
    nn.Conv1d(2, 2, 1),
    nn.ParameterList([nn.Parameter(torch.zeros(2))]),
]


@pytest.mark.parametrize("module", UNKNOWN, ids=str)
def test_a_module_that_may_compute_something_else_is_not_known(module):
    assert kind_of(module) is None
