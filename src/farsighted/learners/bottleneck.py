"""Bottleneck adapters: a small trained network behind the attention and the feed-forward block of every layer.

h becomes h + U f(D h + d) + u, h what a block adds to the residual stream, D (m × width) and U (width × m) trained.
U and u start at zero, so that the model computes what the base computes until a step is taken.

*Reference:* Houlsby et al. 2019; definitions.md#adaptations.
"""

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor, nn

from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.adapters import full_change
from farsighted.learners.base import ChangeInner
from farsighted.models.loading import LanguageModel

Arrays = Mapping[str, np.ndarray]

_ACTIVATIONS: Final[Mapping[str, type[nn.Module]]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
_BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "attention": ("self_attn", "attn", "attention", "self_attention", "linear_attn", "mixer", "mamba"),
    "feed_forward": ("mlp", "feed_forward", "ffn", "block_sparse_moe", "ff", "fc2"),
}
"""What libraries call the two blocks of a layer; a layer of OPT has no feed-forward block but its two products."""


@dataclass(frozen=True)
class BottleneckSettings:
    """Fields of an entry under `peft` whose `peft_type` is bottleneck."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: int = 64
    """m: width of the narrow layer."""
    activation: str = "gelu"
    """gelu, relu, silu or tanh."""
    dropout: float = 0.0
    """Dropout on what the narrow layer gives."""
    after: tuple[str, ...] = ("attention", "feed_forward")
    """Blocks of a layer that get an adapter: attention, feed_forward, or names of modules in a layer."""


@dataclass(frozen=True)
class BottleneckAdapters:
    """Bottleneck adapters in every layer; the base is frozen, but for the head under `train_head`."""

    name: str = "bottleneck"
    settings: BottleneckSettings = field(default_factory=BottleneckSettings)
    train_head: bool = False
    backward_cost: float = 1.0
    transition: None = None
    virtual_tokens: int = 0

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Insert the adapters: D and d uniform in ±1/√width from `rng`, U and u zero; kept in float32 at least.

        Raises `ModelError` where a layer has none of the blocks.
        """
        width = model.config.get_text_config().hidden_size
        dtype = torch.promote_types(model.dtype, torch.float32)
        places = list(_places(model.base_model, self.settings.after))
        missing = [block for block in self.settings.after if block not in {place.block for place in places}]
        if missing:
            raise ModelError(
                f"Bottleneck adapters go behind blocks of a layer, but {type(model).__name__} has none that is known "
                f"as '{missing[0]}'. Name modules of a layer in `peft.{self.name}.after`."
            )
        for place in places:
            adapter = Bottleneck(width, self.settings, rng).to(model.device, dtype)
            place.layer.add_module(f"{place.child}_bottleneck", adapter)
            _source(place).register_forward_hook(adapter.behind)
        model.get_output_embeddings().weight.requires_grad_(self.train_head)
        return model

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Inner products of changes of the parameters, in double precision."""
        return full_change(a, b, c, list(a))

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Never asked for: there is no transition."""
        raise RuntimeError("Bottleneck adapters are trained on from stage to stage.")


class Bottleneck(nn.Module):
    """One adapter: down, activation, up; its output is added to its input."""

    def __init__(self, width: int, settings: BottleneckSettings, rng: np.random.Generator) -> None:
        super().__init__()
        # The values come from `rng` below: what layers draw themselves must not move torch's generator.
        with torch.random.fork_rng(devices=[]):
            self.down, self.up = nn.Linear(width, settings.size), nn.Linear(settings.size, width)
        self.activation = _ACTIVATIONS[settings.activation]()
        self.dropout = nn.Dropout(settings.dropout)
        bound = 1 / math.sqrt(width)
        with torch.no_grad():
            for parameter in self.down.parameters():
                values = rng.uniform(-bound, bound, size=tuple(parameter.shape)).astype(np.float32)
                parameter.copy_(torch.from_numpy(values))
            for parameter in self.up.parameters():
                parameter.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `hidden` (..., width) with what the adapter adds, in the type of `hidden`."""
        inner = self.activation(self.down(hidden.to(self.down.weight.dtype)))
        outer: Tensor = self.up(self.dropout(inner))
        return hidden + outer.to(hidden.dtype)

    def behind(self, block: nn.Module, inputs: object, output: object) -> object:
        """Return a block's output with its hidden states changed: a hook."""
        if isinstance(output, Tensor):
            return self(output)
        if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
            return (self(output[0]), *output[1:])
        raise ModelError(
            f"A block must give hidden states for an adapter to change, but {type(block).__name__} gives a "
            f"{type(output).__name__}. Name another module in `after`."
        )


def bottleneck_adapters(name: str, settings: Mapping[str, object], train_head: bool) -> BottleneckAdapters:
    """Return the adapters that a configuration names; raises `ConfigError` for settings that there are not."""
    rest = {key: value for key, value in settings.items() if key != "peft_type"}
    try:
        found = TypeAdapter(BottleneckSettings).validate_python(rest)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(BottleneckSettings.__dataclass_fields__)
        raise ConfigError(
            f"`peft.{name}.{key}` is not right: {first['msg'].lower()}. Bottleneck adapters have: {known}."
        ) from error
    _check(name, found)
    return BottleneckAdapters(name, found, train_head)


def _check(name: str, settings: BottleneckSettings) -> None:
    for key, holds, must in (
        ("size", settings.size >= 1, "at least 1"),
        ("dropout", 0 <= settings.dropout < 1, "0 to below 1"),
        ("activation", settings.activation in _ACTIVATIONS, f"one of {', '.join(_ACTIVATIONS)}"),
        ("after", bool(settings.after), "a list with at least one block"),
    ):
        if not holds:
            raise ConfigError(f"`peft.{name}.{key}` must be {must}, but is {getattr(settings, key)!r}. Change it.")


class _Place(NamedTuple):
    """A block of a layer that gets an adapter."""

    layer: nn.Module
    child: str
    block: str
    """The word of the settings that found it."""


def _places(trunk: nn.Module, after: tuple[str, ...]) -> Iterator[_Place]:
    layers = [layer for module in trunk.modules() if isinstance(module, nn.ModuleList) for layer in module]
    for layer in layers:
        children = dict(layer.named_children())
        for block in after:
            for child in _BLOCKS.get(block, (block,)):
                if child in children:
                    yield _Place(layer, child, block)


def _source(place: _Place) -> nn.Module:
    """Return the module whose output the residual is added to: some blocks add it themselves, after a last product."""
    block = place.layer.get_submodule(place.child)
    if "residual" not in inspect.signature(block.forward).parameters:
        return block
    return [module for module in block.modules() if isinstance(module, nn.Linear)][-1]
