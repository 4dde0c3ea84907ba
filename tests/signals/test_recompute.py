import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from farsighted.signals.recompute import Held, marked_layers, recomputing


class Layer(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.calls = 0
        self.gradient_checkpointing = False

    def forward(self, x, past_key_values=None):
        self.calls += 1
        if past_key_values is not None:
            past_key_values.append(1)
        return torch.tanh(self.linear(x))


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.gradient_checkpointing = True

    def forward(self, x, **options):
        for layer in self.layers:
            x = layer(x, **options)
        return x


def test_the_innermost_marked_modules_are_those_to_compute_again():
    stack = Stack()
    stack.layers[1].gradient_checkpointing = True
    assert marked_layers(stack) == [stack.layers[1]]
    stack.layers[1].gradient_checkpointing = False
    assert marked_layers(stack) == [stack]


def test_marked_layers_run_twice_with_the_same_gradients_and_others_once():
    stack, x = Stack(), torch.ones(2, 3, requires_grad=True)
    wanted = torch.autograd.grad(stack(x).sum(), x)[0]
    stack.layers[1].gradient_checkpointing = True
    with recomputing(stack):
        found = torch.autograd.grad(stack(x).sum(), x)[0]
    assert torch.equal(found, wanted)
    assert [layer.calls for layer in stack.layers] == [2, 3]
    stack(x)
    assert [layer.calls for layer in stack.layers] == [3, 4]


def test_a_cache_is_not_written_by_layers_that_are_computed_again():
    stack, cache = Stack(), []
    stack.layers[0].gradient_checkpointing = True
    with recomputing(stack):
        stack(torch.ones(2, 3), past_key_values=cache).sum().backward()
    assert len(cache) == 1


def test_a_forward_of_the_layers_own_is_put_back_even_after_an_error():
    stack = Stack()
    stack.layers[0].gradient_checkpointing = True
    mine = stack.layers[0].forward = lambda _x: 1 / 0
    with pytest.raises(ZeroDivisionError), recomputing(stack):
        stack(torch.ones(2, 3))
    assert stack.layers[0].__dict__["forward"] is mine


@pytest.mark.parametrize("recomputed", [True, False])
def test_held_inputs_come_back_as_they_were(recomputed):
    x = torch.ones(2, requires_grad=True)
    held = Held((x * 2, None, 3), recomputed=recomputed)
    tensor, *others = held.inputs()
    assert torch.equal(tensor, torch.full((2,), 2.0))
    assert not tensor.requires_grad
    assert others == [None, 3]


@pytest.mark.parametrize("recomputed", [True, False])
def test_inputs_of_a_layer_that_is_computed_again_are_not_kept(recomputed):
    held = []

    def run(x):
        held.append(Held((torch.sin(x),), recomputed=recomputed))
        return torch.cos(torch.sin(x))

    checkpoint(run, torch.ones(2, requires_grad=True), use_reentrant=False)
    assert torch.equal(held[0].inputs()[0], torch.sin(torch.ones(2)))
    assert len(held) == (2 if recomputed else 1)
