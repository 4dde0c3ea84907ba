"""Random maps that keep inner products on average (spec §4: two-sided maps per module).

A matrix G (O × I) is sketched as `AᵀGB`, with A (O × p) and B (I × q) drawn independently. Every map here satisfies
`E[A Aᵀ] = identity`. Hence, for any two matrices,

    E⟨AᵀGB, AᵀG'B⟩ = E tr(B Bᵀ Gᵀ A Aᵀ G') = tr(Gᵀ G') = ⟨G, G'⟩:

inner products are unbiased, and so are squared norms (G' = G). The sketches of several modules under independent maps
may be *added*: the cross terms ⟨AᵀGB, A'ᵀG'B'⟩ of two modules have mean zero, because A has, so the sum of sketches
still has the inner product of the concatenated gradients as its mean.
"""

from dataclasses import dataclass

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

    def of_products(self, matrix_BOI: Tensor) -> Tensor:
        """Return the sketches (B, p, q) of explicit matrices; the longer side is projected first."""
        left_PO, right_IQ = self.left_OP.to(matrix_BOI.dtype).T, self.right_IQ.to(matrix_BOI.dtype)
        if matrix_BOI.shape[1] > matrix_BOI.shape[2]:
            return (left_PO @ matrix_BOI) @ right_IQ
        return left_PO @ (matrix_BOI @ right_IQ)

    def of_outer(self, left_BTO: Tensor, right_BTI: Tensor) -> Tensor:
        """Return the sketch (B, p, q) of `Σ_t left_t right_tᵀ`; the O × I matrix is never formed."""
        return torch.bmm(project(left_BTO, self.left_OP).mT, project(right_BTI, self.right_IQ))


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
