"""Exact norms and sketches of per-example gradients of the trainable parameters (spec §4), for modules as they are.

One forward and one backward pass over a batch give every example's own gradient, because a linear layer's weight
gradient is a sum over positions, `Σ_t g_t a_tᵀ`, of output gradient and input, and the positions of one example are
its own row of the batch. Hooks read the two; no module is wrapped or changed, so PEFT's adapters (whose A and B are
plain linear layers) work as they are, in eval and in training mode. What cannot be read so is refused by name.

Shape letters: B examples of a batch, L positions, K sketch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from farsighted.core.errors import ModelError
from farsighted.signals.factors import Factor, factors_of, kind_of
from farsighted.signals.kept import KeptGradients
from farsighted.signals.logits import Head
from farsighted.signals.plan import SKETCH_SIDE
from farsighted.signals.sketch import TwoSided, draw_two_sided

GradientMaps = Mapping[str, TwoSided]
"""A two-sided map for every trainable parameter, by the parameter's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """What is known of the gradient of each example's mean response NLL."""

    norm_B: Tensor | None
    """Norm over all trainable parameters, float32."""
    sketch_BK: Tensor | None
    """Sketch, float32; inner products have those of the gradients as their mean."""
    kept: KeptGradients | None = None
    """The gradients themselves, where the capture keeps them."""

    def joined(self, other: "Gradients") -> "Gradients":
        """Return the same of two disjoint sets of parameters together, sketched with independent maps.

        A trained output head is joined so: `Gradients(head_grad_norm(...), head_sketch(...))`.
        """
        norms, sketches = (self.norm_B, other.norm_B), (self.sketch_BK, other.sketch_BK)
        norm_B = None if norms[0] is None or norms[1] is None else torch.hypot(norms[0], norms[1])
        sketch_BK = None if sketches[0] is None or sketches[1] is None else sketches[0] + sketches[1]
        return Gradients(norm_B, sketch_BK, self.kept)


@dataclass(frozen=True, slots=True)
class _Tracked:
    name: str
    module: nn.Module
    parameters: tuple[str, ...]
    """Names of its own trainable parameters: weight, bias."""


def build_gradient_maps(model: nn.Module, generator: np.random.Generator, side: int = SKETCH_SIDE) -> GradientMaps:
    """Draw an independent map to side × side for every trainable parameter, in the model's order of parameters.

    A sketch is the sum of the parameters' sketches: K = side², and inner products are unbiased
    (`farsighted.signals.sketch`). A parameter with one axis counts as a matrix with one column.

    Args:
        model: the model whose trainable parameters are meant; the same one that `PerExampleGradients` gets.
        generator: a fresh generator of the audit, the same for every cell.
        side: p, the width of each side.
    """
    maps = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            shape = (parameter.shape[0], parameter[0].numel())
            maps[name] = draw_two_sided(generator, shape, side, parameter.device)
    return maps


class PerExampleGradients:
    """Reads per-example gradients from the backward passes that happen inside `with`.

    Each pass is a forward over B examples (the leading axis everywhere), a backward through a weighted sum of their
    mean response NLLs, and `collect`. It neither needs nor touches `.grad`, so it rides along with a training step;
    `scoring_pass` (`farsighted.signals.scoring`) is the pass without one. An object may be entered many times. Inputs
    of tracked modules stay alive until their backward, as they do for the weight gradient anyway.

    Args:
        model: all its trainable parameters are tracked, and each must be reached by every pass.
        maps: from `build_gradient_maps`, where a sketch is wanted.
        want_norm: whether norms are wanted.
        head: the output head that the loss uses, to refuse a trained embedding that is tied to it.
        keep: whether `collect` hands out the gradients themselves too, for a step without another pass.

    Raises:
        ModelError: nothing to train, a module of unknown kind, or a trainable parameter used in two places.
    """

    def __init__(
        self,
        model: nn.Module,
        maps: GradientMaps | None = None,
        *,
        want_norm: bool = True,
        head: Head | None = None,
        keep: bool = False,
    ) -> None:
        self._maps = maps
        self._keep = keep
        self._want_norm = want_norm
        self._tracked = _tracked_modules(model)
        self.parameters: dict[str, nn.Parameter] = {n: p for n, p in model.named_parameters() if p.requires_grad}
        """What is tracked, by name."""
        _refuse_shared(model)
        if head is not None:
            self.refuse_tied(head)
        missing = [] if maps is None else sorted(self.parameters.keys() - maps.keys())
        if missing:
            raise ModelError(
                f"Every trainable parameter must have a map, but '{missing[0]}' has none. Build them anew."
            )
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._clear()

    def __enter__(self) -> "PerExampleGradients":
        self._clear()
        for tracked in self._tracked:
            hook = partial(self._on_forward, tracked)
            self._handles.append(tracked.module.register_forward_hook(hook, with_kwargs=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._clear()

    def collect(self, batch_size: int, scale_B: Tensor | None = None) -> Gradients:
        """Return what the pass gave, and make ready for the next one.

        Args:
            batch_size: B, the number of examples in the pass.
            scale_B: what turns each example's share of the loss into its own mean response NLL; 1 by default. For a
                loss `Σ_tokens nll / tokens_of_the_step`, that is `tokens_of_the_step / response_length`.

        Raises:
            ModelError: a tracked module was not reached, or examples are not the leading axis.
            ValueError: `scale_B` where gradients are kept: weigh them in `KeptGradients.weighted_sum`.
        """
        if scale_B is not None and self._keep:
            raise ValueError("Kept gradients are not scaled. Put the scale into the weights of `weighted_sum`.")
        for tracked in self._tracked:
            if tracked.name not in self._done:
                raise ModelError(_unreached(tracked.name, tracked.name in self._seen))
        if self._rows != batch_size:
            raise ModelError(
                f"Inputs of trainable modules must have the {batch_size} examples as their leading axis, but "
                f"'{self._tracked[0].name}' got {self._rows} rows. Use forward signals for this architecture."
            )
        norm_B = self._squared_B.sqrt() if self._squared_B is not None else None
        sketch_BK = self._sketch_BPQ.flatten(1) if self._sketch_BPQ is not None else None
        shapes = {name: parameter.shape for name, parameter in self.parameters.items()}
        kept = KeptGradients(self._kept, shapes) if self._keep else None
        self._clear()
        if scale_B is not None:
            norm_B = None if norm_B is None else norm_B * scale_B.to(norm_B).abs()
            sketch_BK = None if sketch_BK is None else sketch_BK * scale_B.to(sketch_BK)[:, None]
        norm_B = None if norm_B is None else norm_B.float()
        return Gradients(norm_B, None if sketch_BK is None else sketch_BK.float(), kept)

    def refuse_tied(self, head: Head) -> None:
        """Raise `ModelError` if a tracked parameter is also the output head: half of its gradient would be missed."""
        for name, parameter in self.parameters.items():
            if parameter.data_ptr() == head.weight_VD.data_ptr():
                raise ModelError(
                    f"A trainable parameter must not be tied to the output head, but '{name}' is. Freeze it, untie it "
                    "(tie_word_embeddings: false), or use forward signals."
                )

    def _clear(self) -> None:
        self._seen: set[str] = set()
        self._done: set[str] = set()
        self._rows: int | None = None
        self._squared_B: Tensor | None = None
        self._sketch_BPQ: Tensor | None = None
        self._kept: dict[str, tuple[Factor, ...]] = {}

    def _on_forward(
        self, tracked: _Tracked, module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], output: Tensor
    ) -> None:
        if not output.requires_grad:
            return  # a forward without gradients, such as an evaluation, is none of ours
        if tracked.name in self._seen:
            raise ModelError(
                f"Every trainable module must be called once in a pass, but '{tracked.name}' was called again. Collect "
                "after each backward; switch gradient checkpointing off; use forward signals for reused modules."
            )
        if not inputs:
            raise ModelError(f"'{tracked.name}' must get its input as a positional argument, but got {list(options)}.")
        self._seen.add(tracked.name)
        self._rows = len(inputs[0]) if self._rows is None else self._rows
        if len(inputs[0]) != self._rows or len(output) != self._rows:
            raise ModelError(
                f"Inputs of trainable modules must have the examples as their leading axis, but '{tracked.name}' got "
                f"{len(inputs[0])} rows and a module before it {self._rows}. Use forward signals for this architecture."
            )
        kept = tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs)
        output.register_hook(partial(self._on_gradient, tracked, kept, options))  # type: ignore[no-untyped-call]

    def _on_gradient(
        self, tracked: _Tracked, inputs: tuple[Any, ...], options: dict[str, Any], gradient: Tensor
    ) -> None:
        if not self._handles:
            return  # the pass was left before its backward
        if tracked.name in self._done:
            raise ModelError(f"A pass must have one backward, but '{tracked.name}' was met again. Collect in between.")
        self._done.add(tracked.name)
        with torch.no_grad():
            factors = factors_of(tracked.module, inputs, options, gradient)
            for parameter in tracked.parameters:
                if self._want_norm:
                    self._squared_B = _sum(self._squared_B, factors[parameter].squared_norm().double())
                if self._keep:
                    self._kept[_join(tracked.name, parameter)] = (factors[parameter],)
                if self._maps is not None:
                    maps = self._maps[_join(tracked.name, parameter)]
                    self._sketch_BPQ = _sum(self._sketch_BPQ, factors[parameter].sketch(maps))


def _tracked_modules(model: nn.Module) -> tuple[_Tracked, ...]:
    tracked = []
    for name, module in model.named_modules():
        parameters = tuple(n for n, p in module.named_parameters(recurse=False) if p.requires_grad)
        if parameters and kind_of(module) is None:
            raise ModelError(_unknown(name, module))
        if parameters:
            tracked.append(_Tracked(name, module, parameters))
    if not tracked:
        raise ModelError(
            "A model must have trainable parameters to have gradients, but all are frozen. Add an adapter."
        )
    return tuple(tracked)


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


def _refuse_shared(model: nn.Module) -> None:
    owners: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        first = owners.setdefault(id(parameter), name)
        if parameter.requires_grad and first != name:
            raise ModelError(
                f"A trainable parameter must be used in one place, but '{first}' is tied to '{name}'. Freeze it, untie "
                "it (tie_word_embeddings: false), or use forward signals."
            )


def _unreached(name: str, called: bool) -> str:
    if called:
        return f"Every trainable module must get a gradient, but '{name}' got none. Run the backward before `collect`."
    return (
        f"Every trainable module must be called in a pass, but '{name}' was not. Run the forward inside `with`; freeze "
        "what the loss does not use; unmerge adapters."
    )


def _sum(total: Tensor | None, term: Tensor) -> Tensor:
    return term if total is None else total + term.to(total.device)


def _join(module: str, parameter: str) -> str:
    return f"{module}.{parameter}" if module else parameter
