import pytest
import torch
from torch import nn

from farsighted.core.errors import ModelError
from farsighted.signals.tracked import can_track, tracked_modules


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.norm = nn.LayerNorm(3)
        self.frozen = nn.Linear(3, 2).requires_grad_(False)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 2)
        self.head = nn.Linear(2, 5, bias=False)
        self.head.weight = self.embedding.weight


def test_modules_with_trainable_parameters_of_their_own_are_tracked_by_name():
    found = {tracked.name: dict(tracked.parameters) for tracked in tracked_modules(Two())}
    assert found == {
        "first": {"weight": "first.weight", "bias": "first.bias"},
        "norm": {"weight": "norm.weight", "bias": "norm.bias"},
    }


def test_a_parameter_that_is_frozen_alone_is_left_out():
    model = Two()
    model.first.bias.requires_grad_(False)
    assert dict(tracked_modules(model)[0].parameters) == {"weight": "first.weight"}


def test_tied_parameters_have_one_name():
    assert [dict(tracked.parameters) for tracked in tracked_modules(Tied())] == [{"weight": "embedding.weight"}] * 2


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(ModelError, match="all are frozen"):
        tracked_modules(Two().requires_grad_(False))


def test_a_module_of_unknown_kind_is_refused_by_name_unless_it_is_frozen():
    model = nn.Sequential(nn.Linear(2, 2), nn.PReLU())
    assert not can_track(model)
    with pytest.raises(ModelError, match="'1' is a PReLU"):
        tracked_modules(model)
    model[1].requires_grad_(False)
    assert can_track(model)
    assert [tracked.name for tracked in tracked_modules(model)] == ["0"]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
