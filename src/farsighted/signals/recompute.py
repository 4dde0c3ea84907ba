"""Gradient checkpointing: inputs that are computed again instead of kept, and scoring passes that do so too.

A model says which of its layers are to be computed again in the backward pass by an attribute `gradient_checkpointing`
(the mark of Hugging Face transformers, which heeds it in training mode only).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.utils.checkpoint import checkpoint

_ELSEWHERE: Final = object()
"""Stands where a tensor was."""


class _SavedNode(Protocol):
    """The node of a function that saves tensors."""

    saved_tensors: tuple[Tensor, ...]


class Held:
    """Inputs of a module until its backward: kept as they are, or computed again with their layer.

    Args:
        inputs: positional arguments of the module's forward.
        recomputed: whether its layer may be computed again. The inputs are then saved as autograd saves its own, so
            that checkpointing drops and restores them; kept directly they would undo what it saves.
    """

    def __init__(self, inputs: tuple[object, ...], *, recomputed: bool) -> None:
        self._inputs = tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs)
        # The output, not its node alone: before torch 2.13 a node lets go of what it saved when its output dies.
        self._saved: Tensor | None = None
        if recomputed:
            tensors = [value for value in self._inputs if isinstance(value, Tensor)]
            self._saved = _Saved.apply(torch.empty(0, requires_grad=True), *tensors)  # type: ignore[no-untyped-call]
            self._inputs = tuple(_ELSEWHERE if isinstance(value, Tensor) else value for value in self._inputs)

    def inputs(self) -> tuple[object, ...]:
        """Return the inputs, detached."""
        if self._saved is None:
            return self._inputs
        node: _SavedNode = self._saved.grad_fn  # type: ignore[assignment]  # what `_Saved.apply` leaves there
        tensors = iter(node.saved_tensors)
        return tuple(next(tensors) if value is _ELSEWHERE else value for value in self._inputs)


def marked_layers(model: nn.Module) -> list[nn.Module]:
    """Return the innermost modules that are marked to be computed again."""
    marked = [module for module in model.modules() if getattr(module, _MARK, False)]
    return [m for m in marked if not any(inner is not m and getattr(inner, _MARK, False) for inner in m.modules())]


@contextmanager
def recomputing(model: nn.Module) -> Iterator[None]:
    """Compute marked layers again in backward passes, in eval mode too, where a scoring pass runs.

    Takes the memory of one layer instead of all, and another forward pass.
    """
    layers = [layer for layer in marked_layers(model) if layer is not model]
    own = [layer.__dict__.get("forward") for layer in layers]
    for layer in layers:
        layer.forward = _checkpointed(layer.forward)
    try:
        yield
    finally:
        for layer, forward in zip(layers, own, strict=True):
            del layer.forward
            if forward is not None:
                layer.forward = forward


_MARK: Final = "gradient_checkpointing"
_CACHES: Final = frozenset({"past_key_values", "layer_past"})
"""Arguments that a layer writes its keys and values to; computed again, it would write them twice."""


class _Saved(torch.autograd.Function):
    """Saves tensors the way every operation does, and is never differentiated."""

    @staticmethod
    def forward(ctx: FunctionCtx, anchor: Tensor, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        return anchor.clone()

    @staticmethod
    def backward(_ctx: FunctionCtx, *_upstream: Tensor) -> Sequence[None]:
        raise RuntimeError("what is saved here is read, not differentiated")


def _checkpointed(forward: Callable[..., object]) -> Callable[..., object]:
    def again(*inputs: object, **options: object) -> object:
        options = {name: None if name in _CACHES else value for name, value in options.items()}
        return checkpoint(partial(forward, **options), *inputs, use_reentrant=False)

    return again
