"""Exact norms and sketches of per-example gradients of the trainable parameters, for modules as they are.

One forward and one backward pass over a batch give every example's own gradient, because a linear layer's weight
gradient is a sum over positions, `Σ_t g_t a_tᵀ`, of output gradient and input, and the positions of one example are
its own row of the batch. Hooks read the two; no module is wrapped or changed, so PEFT's adapters (whose A and B are
plain linear layers) work as they are, in eval and in training mode. What cannot be read so is refused by name.

Shape letters: B examples of a batch, L positions, K sketch.

*Reference:* definitions.md#grad_norm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import numpy as np
import torch
from torch import Tensor, nn

from farsighted.core.errors import ModelError
from farsighted.signals.factors import factors_of
from farsighted.signals.kept import KeptGradients
from farsighted.signals.logits import Head
from farsighted.signals.passing import Pass, TiedPart
from farsighted.signals.recompute import Held, marked_layers
from farsighted.signals.sketch import TwoSided, draw_two_sided
from farsighted.signals.table import SKETCH_SIDE
from farsighted.signals.tied import HeadPart
from farsighted.signals.tracked import NotBatchedError, Tracked, tracked_modules

Options = dict[str, object]
"""Keyword arguments of a module's forward."""

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
    `scoring_pass` (`farsighted.signals.scoring`) is the pass without one. An object may be entered many times.

    A parameter that is used in several places, or by a module that is called several times, has the sum of what it
    gets there as its gradient: its factors are laid end to end before the norm is taken. Inputs of tracked modules stay
    alive until their backward, as they do for the weight gradient anyway; in layers that are marked for gradient
    checkpointing they are computed again with the rest (`farsighted.signals.recompute`).

    Args:
        model: all its trainable parameters are tracked, and each must be reached by every pass.
        maps: from `build_gradient_maps`, where a sketch is wanted.
        want_norm: whether norms are wanted.
        head: the output head that the loss uses, so that `collect` insists on its part where a tracked embedding is
            tied to it.
        keep: whether `collect` hands out the gradients themselves too, for a step without another pass.

    Raises:
        ModelError: nothing to train, or a module of unknown kind.
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
        self._tracked = tracked_modules(model)
        self._model = model
        self._recomputed = False
        self.parameters: dict[str, nn.Parameter] = {n: p for n, p in model.named_parameters() if p.requires_grad}
        """What is tracked, by name."""
        missing = [] if maps is None else sorted(self.parameters.keys() - maps.keys())
        if missing:
            raise ModelError(
                f"Every trainable parameter must have a map, but '{missing[0]}' has none. Build them anew."
            )
        self._head = head
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._pass = Pass(maps, want_norm=want_norm, keep=keep)

    def __enter__(self) -> "PerExampleGradients":
        self._clear()
        self._recomputed = bool(marked_layers(self._model))
        for tracked in self._tracked:
            hook = partial(self._on_forward, tracked)
            self._handles.append(tracked.module.register_forward_hook(hook, with_kwargs=True))
        own = {id(tracked.module) for tracked in self._tracked}
        for module in self._model.modules():
            if isinstance(module, nn.Embedding) and id(module) not in own:
                self._handles.append(module.register_forward_hook(self._on_frozen_embedding))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._clear()

    @property
    def frontier(self) -> list[Tensor]:
        """Where a backward may stop after all tracked modules: outputs of those whose inputs need no gradient.

        Raises:
            ModelError: there is none, because the forward ran without gradients.
        """
        if not self._pass.frontier:
            name = self._tracked[0].name
            raise NotBatchedError(_unreached(name, called=False) if not self._pass.calls else _without_gradients(name))
        return self._pass.frontier

    def tied_to(self, head: Head) -> str | None:
        """Return the name of the tracked parameter that is also the output head, None where there is none."""
        pointer = head.weight_VD.data_ptr()
        return next((name for name, parameter in self.parameters.items() if parameter.data_ptr() == pointer), None)

    def collect(self, batch_size: int, scale_B: Tensor | None = None, head_part: HeadPart | None = None) -> Gradients:
        """Return what the pass gave, and make ready for the next one.

        Args:
            batch_size: B, the number of examples in the pass.
            scale_B: what turns each example's share of the loss into its own mean response NLL; 1 by default. For a
                loss `Σ_tokens nll / tokens_of_the_step`, that is `tokens_of_the_step / response_length`.
            head_part: what a tracked embedding gets as the output head that it is tied to; nothing where it is not.

        Raises:
            ModelError: a tracked module was not reached, examples are not the leading axis, or a tied head's part is
                missing.
            ValueError: `scale_B` where gradients are kept: weigh them in `KeptGradients.weighted_sum`.
        """
        if scale_B is not None and self._keep:
            raise ValueError("Kept gradients are not scaled. Put the scale into the weights of `weighted_sum`.")
        tied = self._tied(head_part)
        self._check(batch_size, None if head_part is None else tied)
        found = self._pass.finish(scale_B, None if tied is None or head_part is None else TiedPart(tied, head_part))
        shapes = {name: parameter.shape for name, parameter in self.parameters.items()}
        kept = KeptGradients(self._pass.kept, shapes) if self._keep else None
        self._clear()
        return Gradients(found.norm_B, found.sketch_BK, kept)

    def _tied(self, head_part: HeadPart | None) -> str | None:
        head = self._head if head_part is None else head_part.head
        tied = None if head is None else self.tied_to(head)
        if tied is not None and head_part is None:
            raise ModelError(
                f"'{tied}' is tied to the output head, so half of its gradient comes from there. Give `collect` the "
                "`head_part`, or untie the two (tie_word_embeddings: false)."
            )
        return tied

    def _check(self, batch_size: int, tied: str | None) -> None:
        """Refuse a pass that missed something; a head that is tied in may be called as a module or not."""
        for tracked in self._tracked:
            if tracked.name not in self._pass.done and tied not in tracked.parameters.values():
                raise NotBatchedError(_unreached(tracked.name, called=tracked.name in self._pass.seen))
        if self._pass.rows != batch_size:
            raise NotBatchedError(
                f"Gradients of a batch are told apart by its rows, but '{self._tracked[0].name}' of this model "
                f"computes with {self._pass.rows} rows for {batch_size} examples. Choose a selector without gradients."
            )

    def _clear(self) -> None:
        self._pass = Pass(self._maps, want_norm=self._want_norm, keep=self._keep)

    def _on_forward(
        self,
        tracked: Tracked,
        module: nn.Module,
        inputs: tuple[object, ...],
        options: Options,
        output: Tensor,
    ) -> None:
        self._pass.called(tracked)
        if not output.requires_grad:
            return  # a forward without gradients, such as an evaluation, is none of ours
        if not inputs or not isinstance(inputs[0], Tensor):
            raise NotBatchedError(
                f"'{tracked.name}' of this model takes its input by name ({', '.join(options)}), so its gradient "
                "cannot be told apart in a batch. Choose a selector without gradients."
            )
        self._pass.reached(tracked, inputs[0], output)
        held = Held(inputs, recomputed=self._recomputed)
        output.register_hook(partial(self._on_gradient, tracked, held, options))  # type: ignore[no-untyped-call]

    def _on_frozen_embedding(self, _module: nn.Module, _inputs: tuple[object, ...], output: Tensor) -> None:
        # Models with gradient checkpointing let it require a gradient, so that the layers behind it do too.
        if output.requires_grad and not self._pass.began:
            self._pass.frontier.append(output)

    def _on_gradient(self, tracked: Tracked, held: Held, options: Options, gradient: Tensor) -> None:
        if not self._handles:
            return  # the pass was left before its backward
        self._pass.began = True
        with torch.no_grad():
            self._pass.arrived(tracked, factors_of(tracked.module, held.inputs(), options, gradient))


def _unreached(name: str, *, called: bool) -> str:
    what = "gets no gradient from the loss" if called else "is not called when the model reads a text"
    return (
        f"Every trainable layer must take part in every text, but '{name}' {what}. Leave it out of what is trained "
        "(`lora.targets`), or choose a selector without gradients."
    )


def _without_gradients(name: str) -> str:
    return (
        f"Every trainable layer must keep what its gradient needs, but '{name}' does not: gradient checkpointing of "
        "the reentrant kind does that. Set `training.gradient_checkpointing: false`."
    )
