"""Random maps that keep inner products on average (definitions.md#grad_sketch).

A matrix G (O × I) is sketched as `AᵀGB`, with A (O × p) and B (I × q) drawn independently. Every map here satisfies
`E[A Aᵀ] = identity`. Hence, for any two matrices,

    E⟨AᵀGB, AᵀG'B⟩ = E tr(B Bᵀ Gᵀ A Aᵀ G') = tr(Gᵀ G') = ⟨G, G'⟩:

inner products are unbiased, and so are squared norms (G' = G). The sketches of several modules under independent maps
may be *added*: the cross terms ⟨AᵀGB, A'ᵀG'B'⟩ of two modules have mean zero, because A has, so the sum of sketches
still has the inner product of the concatenated gradients as its mean.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from farsighted.signals.logits import wide


def two_sided_map(generator: np.random.Generator, rows: int, p: int) -> np.ndarray:
    """Draw one side of a two-sided map: (rows, p), float32, with `E[A Aᵀ]` = identity and mean zero.

    Where `rows > p`: independent signs over √p (Rademacher). Where `rows <= p`: a signed injection, every row
    ±1 in a column of its own, columns drawn at random; `A Aᵀ` is then the identity itself, so this side adds no noise.

    >>> bool((np.abs(two_sided_map(np.random.default_rng(0), 2, 4)).sum(axis=1) == 1).all())
    True
    """
    if rows <= p:
        columns = generator.permutation(p)[:rows]
        injection = np.zeros((rows, p), dtype=np.float32)
        injection[np.arange(rows), columns] = _signs(generator, (rows,))
        return injection
    return _signs(generator, (rows, p)) / np.float32(np.sqrt(p))


def row_signs(seed: int, rows: int, p: int) -> np.ndarray:
    """Return independent signs over √p, (rows, p), float32, drawn row by row: more rows begin with the fewer ones."""
    return _signs(np.random.Generator(np.random.PCG64(seed)), (rows, p)) / np.float32(np.sqrt(p))


@dataclass(frozen=True, slots=True, eq=False)
class TwoSided:
    """Both sides of the map of one matrix."""

    left_OP: Tensor
    right_IQ: Tensor

    def of_matrix(self, matrix_OI: Tensor) -> Tensor:
        """Return `AᵀGB` (p, q) of one explicit matrix."""
        return self.left_OP.to(matrix_OI.dtype).T @ matrix_OI @ self.right_IQ.to(matrix_OI.dtype)

    def of_outer(self, left_BTO: Tensor, right_BTI: Tensor) -> Tensor:
        """Return the sketch (B, p, q) of `Σ_t left_t right_tᵀ`; the O × I matrix is never formed."""
        return torch.bmm(project(left_BTO, self.left_OP).mT, project(right_BTI, self.right_IQ))


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """Products of several modules, projected on one side, and the maps of the other."""

    halves: list[Tensor] = field(default_factory=list)
    sides: list[Tensor] = field(default_factory=list)


_MOST_PENDING: Final = 64
"""Half projected products that wait at a time: 64 of rank 16 take 4 MiB at 32 examples."""


class SketchSum:
    """The sum of the sketches (B, p, q) of several modules.

    Products `G` (B, O, I) with a short side, as those of LoRA, are projected on their longer side when they come; the
    short sides of all of them then make one matrix product, `Σ_m A_mᵀ (G_m B_m)`. That is two operations fewer for
    each of some hundred modules, and nothing of the size of a gradient waits.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._left, self._right = _Pending(), _Pending()

    def add(self, sketch_BPQ: Tensor) -> None:
        """Add a sketch."""
        self._total = sketch_BPQ if self._total is None else self._total + sketch_BPQ.to(self._total.device)

    def add_products(self, maps: TwoSided, matrix_BOI: Tensor) -> None:
        """Add the sketches of explicit matrices; the longer side is projected first."""
        left_OP, right_IQ = maps.left_OP.to(matrix_BOI.dtype), maps.right_IQ.to(matrix_BOI.dtype)
        if matrix_BOI.shape[1] > matrix_BOI.shape[2]:
            self._wait(self._right, left_OP.T @ matrix_BOI, right_IQ)
        else:
            self._wait(self._left, matrix_BOI @ right_IQ, left_OP)

    def add_vectors(self, maps: TwoSided, value_BO: Tensor) -> None:
        """Add the sketches of vectors, which count as O × 1 matrices."""
        self._wait(self._right, project(value_BO, maps.left_OP)[:, :, None], maps.right_IQ.to(value_BO.dtype))

    def total(self) -> Tensor | None:
        """Return the sum; None where nothing was added."""
        self._flush()
        return self._total

    def _wait(self, pending: _Pending, half: Tensor, side: Tensor) -> None:
        pending.halves.append(half)
        pending.sides.append(side)
        if len(pending.halves) == _MOST_PENDING:
            self._flush()

    def _flush(self) -> None:
        left, right = self._left, self._right
        if left.halves:
            first = left.halves[0]
            side_OP = torch.cat([side.to(first) for side in left.sides])
            self.add(side_OP.T @ torch.cat([half.to(first) for half in left.halves], dim=1))
        if right.halves:
            first = right.halves[0]
            side_IQ = torch.cat([side.to(first) for side in right.sides])
            self.add(torch.cat([half.to(first) for half in right.halves], dim=2) @ side_IQ)
        self._left, self._right = _Pending(), _Pending()


def draw_two_sided(generator: np.random.Generator, shape: tuple[int, int], p: int, device: torch.device) -> TwoSided:
    """Draw the map of an O × I matrix to p × p, left side first, and put it on a device."""
    left, right = (torch.from_numpy(two_sided_map(generator, side, p)).to(device) for side in shape)
    return TwoSided(left, right)


def project(values: Tensor, side: Tensor) -> Tensor:
    """Return values (..., O) times one side (O, p), in at least float32."""
    values = wide(values)
    return values @ side.to(values.dtype)


def _signs(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (2 * generator.integers(0, 2, size=shape, dtype=np.int8) - 1).astype(np.float32)
