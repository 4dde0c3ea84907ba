"""Which modules hold the trainable parameters, and what is refused by name because its gradient cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from farsighted.core.errors import ModelError
from farsighted.signals.factors import kind_of


class NotBatchedError(ModelError):
    """The gradients of the examples of a batch cannot be told apart; one at a time they can."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A module with trainable parameters of its own."""

    name: str
    module: nn.Module
    parameters: Mapping[str, str]
    """Its own trainable parameters (weight, bias), and the name of each in the model: one for tied ones."""


def tracked_modules(model: nn.Module) -> tuple[Tracked, ...]:
    """Return every module with trainable parameters of its own.

    Raises:
        ModelError: nothing to train, or a module of unknown kind.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    tracked = []
    for name, module in model.named_modules():
        own = {own: names[id(p)] for own, p in module.named_parameters(recurse=False) if p.requires_grad}
        if own and kind_of(module) is None:
            raise ModelError(_unknown(name, module))
        if own:
            tracked.append(Tracked(name, module, own))
    if not tracked:
        raise ModelError(
            "A model must have trainable parameters to have gradients, but all are frozen. Add an adapter."
        )
    return tuple(tracked)


def can_track(model: nn.Module) -> bool:
    """Return whether every trainable parameter belongs to a module of a kind that `tracked_modules` knows."""
    return all(
        kind_of(module) is not None
        for module in model.modules()
        if any(parameter.requires_grad for parameter in module.parameters(recurse=False))
    )


def _unknown(name: str, module: nn.Module) -> str:
    if type(module).__name__.startswith("Dora"):
        return (
            f"Gradient signals must see every trainable module, but DoRA's magnitude vector '{name}' cannot be read. "
            "Use plain LoRA (use_dora: false), or forward signals."
        )
    return (
        "Gradient signals read trainable Linear, Embedding, RMSNorm and LayerNorm modules, but "
        f"'{name}' is a {type(module).__name__}. Freeze it, or use forward signals."
    )
