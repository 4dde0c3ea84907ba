"""What one pass has given so far: norms and sketches that are complete, and gradients that are still in parts.

Shape letters: B examples, p × q a sketch.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from farsighted.core.errors import ModelError
from farsighted.signals.factors import Factor, Lookup, Outer, Tied, combined
from farsighted.signals.kept import Part
from farsighted.signals.sketch import SketchSum, TwoSided
from farsighted.signals.tied import HeadPart
from farsighted.signals.tracked import NotBatchedError, Tracked


class TiedPart(NamedTuple):
    """What a tracked embedding gets as the output head."""

    name: str
    part: HeadPart


class Found(NamedTuple):
    """Norms and sketches of a pass, float32."""

    norm_B: Tensor | None
    sketch_BK: Tensor | None


class Pass:
    """Takes the factors of one pass as they come, and reduces each to norm and sketch as soon as it is whole.

    A gradient is whole at once where its parameter was met once in the forward. Others wait until `finish`, and so do
    those of embeddings, which may yet get a part from the head.
    """

    def __init__(self, maps: Mapping[str, TwoSided] | None, *, want_norm: bool, keep: bool) -> None:
        self._maps, self._want_norm, self._keep = maps, want_norm, keep
        self.calls: Counter[str] = Counter()
        """How often each parameter was met before the first gradient came: layers computed again do not count."""
        self.seen: set[str] = set()
        """Modules called with gradients on."""
        self.done: set[str] = set()
        """Modules that got a gradient."""
        self.began = False
        """Whether the first gradient has come: what is called from then on is computed again."""
        self.rows: int | None = None
        self.frontier: list[Tensor] = []
        self.kept: dict[str, tuple[Part, ...]] = {}
        self._arrivals: Counter[str] = Counter()
        self._waiting: dict[str, list[Factor]] = {}
        self._squared: list[Tensor] = []
        self._sketches = SketchSum()

    def called(self, tracked: Tracked) -> None:
        """Note a call of a module, with or without gradients."""
        if not self.began:
            self.calls.update(tracked.parameters.values())

    def reached(self, tracked: Tracked, first: Tensor, output: Tensor) -> None:
        """Note a call with gradients on: its first input and its output.

        Raises:
            NotBatchedError: examples are not the leading axis.
        """
        self.seen.add(tracked.name)
        self.rows = len(first) if self.rows is None else self.rows
        if len(first) != self.rows or len(output) != self.rows:
            raise NotBatchedError(
                f"Gradients of a batch are told apart by its rows, but '{tracked.name}' of this model computes with "
                f"{len(first)} rows and a layer before it with {self.rows}. Choose a selector without gradients."
            )
        if not self.began and not first.requires_grad:
            self.frontier.append(output)

    def arrived(self, tracked: Tracked, factors: Mapping[str, Factor]) -> None:
        """Take the gradients of a module's parameters.

        Raises:
            ModelError: there were more than calls in the forward.
        """
        self.done.add(tracked.name)
        for own, name in tracked.parameters.items():
            self._arrivals[name] += 1
            if self._arrivals[name] > self.calls[name]:
                raise ModelError(
                    f"A pass must have one backward, but '{tracked.name}' was met again. Collect after each backward."
                )
            if self.calls[name] > 1 or isinstance(factors[own], Lookup):
                self._waiting.setdefault(name, []).append(factors[own])
            else:
                self._reduce(name, factors[own])

    def finish(self, scale_B: Tensor | None, tied: TiedPart | None) -> Found:
        """Return the norms and sketches of each example's gradient times `scale_B`, plus the head's part."""
        inner_B = None
        for name, parts in self._waiting.items():
            factor = combined(parts)
            self._reduce(name, factor)
            if tied is not None and tied.name == name and self._want_norm:
                inner_B = _inner(tied, factor)
        norm_B = self._norm(scale_B, tied, inner_B)
        sketch_BK = self._sketch(scale_B, tied)
        if tied is not None and self._keep:
            self.kept[tied.name] = (*self.kept[tied.name], tied.part)
        return Found(norm_B, sketch_BK)

    def _reduce(self, name: str, factor: Factor) -> None:
        factor = factor.compact() if isinstance(factor, Outer) else factor
        if self._want_norm:
            self._squared.append(factor.squared_norm())
        if self._maps is not None:
            factor.add_sketch(self._sketches, self._maps[name])
        if self._keep:
            self.kept[name] = (factor.lookup, factor.outer) if isinstance(factor, Tied) else (factor,)

    def _norm(self, scale_B: Tensor | None, tied: TiedPart | None, inner_B: Tensor | None) -> Tensor | None:
        if not self._squared:
            return None
        device = self._squared[0].device
        squared_B = torch.stack([part.to(device) for part in self._squared]).double().sum(0)
        scale = 1.0 if scale_B is None else scale_B.to(squared_B)
        squared_B = squared_B * scale**2
        if tied is not None and inner_B is not None:
            squared_B = squared_B + (2 * scale * inner_B + tied.part.squared_norm()).to(squared_B)
        return squared_B.clamp_min(0).sqrt().float()

    def _sketch(self, scale_B: Tensor | None, tied: TiedPart | None) -> Tensor | None:
        sketch_BPQ = self._sketches.total()
        if sketch_BPQ is None or self._maps is None:
            return None
        if scale_B is not None:
            sketch_BPQ = sketch_BPQ * scale_B.to(sketch_BPQ)[:, None, None]
        if tied is not None:
            sketch_BPQ = sketch_BPQ + tied.part.sketch(self._maps[tied.name]).to(sketch_BPQ)
        return sketch_BPQ.flatten(1).float()


def _inner(tied: TiedPart, factor: Factor) -> Tensor:
    if not isinstance(factor, Lookup):
        raise ModelError(
            f"'{tied.name}' must get its part as the output head either from a module or from `head_part`, but got "
            "both. Leave one out."
        )
    return tied.part.inner(factor).double()
