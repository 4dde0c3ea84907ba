"""Signals of whole logit matrices that a linear head gives without logits: nuclear norm and sketch.

The nuclear norm comes from `WᵀW`, the sketch from `WᵀS`.

Shape letters: N examples, L tokens of one example, P positions of the whole batch, D hidden, V vocabulary, v one block
of it, K width of a sketch.

*Reference:* definitions.md#nuclear_norm.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farsighted.signals.forward import Positions
from farsighted.signals.logits import Head, chunk_size, chunks, wide
from farsighted.signals.sketch import project, row_signs, two_sided_map
from farsighted.signals.table import LOGIT_SKETCH_FEATURES, LOGIT_SKETCH_TIME


@dataclass(frozen=True, slots=True, eq=False)
class LogitMap:
    """The random maps of `logit_sketch`, folded into the head as far as the head is linear."""

    projected_DK: Tensor
    """`Wᵀ S`, D × 128."""
    bias_K: Tensor | None
    """`b S`, where the head has a bias."""
    feature_VK: Tensor | None
    """S itself, V × 128; kept only under a soft-cap, where the logits themselves must be projected."""
    time_seed: int
    """Seed of the map over time; see `logit_sketch`."""


def gram_of_head(head: Head) -> Tensor:
    """Return `M = WᵀW` (D, D) in float64, summed over blocks of the vocabulary.

    In float64 because the nuclear norm takes square roots of eigenvalues: an error of 1e-7 in M would be 3e-4 there.
    """
    weight_VD = head.weight_VD
    vocabulary, width = weight_VD.shape
    gram_DD = torch.zeros((width, width), dtype=torch.float64, device=weight_VD.device)
    for rows in chunks(vocabulary, width, weight_VD.device):
        block = weight_VD[rows].double()
        gram_DD += block.T @ block
    return gram_DD


def root_of_gram(gram_DD: Tensor) -> Tensor:
    """Return a root C (D, D) of a positive semi-definite matrix, `M = C Cᵀ`; works for singular M (V < D)."""
    values_D, vectors_DD = torch.linalg.eigh(gram_DD)
    root_DD: Tensor = vectors_DD * values_D.clamp_min(0).sqrt()
    return root_DD


def nuclear_norm(positions: Positions, head: Head, root_DD: Tensor | None) -> Tensor:
    """Return the nuclear norm (N,) of each example's logit matrix X = H Wᵀ, without logits and without an SVD over V.

    `‖X‖_* = Σ √eig(H M Hᵀ)`, M = WᵀW = C Cᵀ. The L × L matrix `(HC)(HC)ᵀ` is decomposed where L ≤ D, else the D × D
    matrix `(HC)ᵀ(HC)` with the same non-zero eigenvalues, in float64. A head with a bias or a soft-cap has no such
    shortcut: `X Xᵀ` is then summed over blocks of the vocabulary. NaN where hidden states are not finite.

    Error against an SVD: eigenvalues are off by about ε λ_max, ε = 2.2e-16, so a singular value σ by ε σ_max² / 2σ, and
    one that is 0 by up to √ε σ_max. That is rounding of float64 where the states of a response differ, and at most
    1.5e-8 L of the norm in the worst case, L parallel states; an SVD of float32 logits is off by more in either.

    Args:
        positions: hidden states of the positions that count (response positions by default).
        head: the output head.
        root_DD: `root_of_gram(gram_of_head(head))`, built once per head; None for a head that is not linear.
    """
    if head.is_linear and root_DD is None:
        raise ValueError("A linear head needs `root_DD`. Pass root_of_gram(gram_of_head(head)).")
    norm_N = torch.empty(len(positions.lengths_B), dtype=torch.float64, device=positions.hidden_PD.device)
    start_N = torch.cumsum(positions.lengths_B, 0) - positions.lengths_B
    for length in torch.unique(positions.lengths_B).tolist():
        # Examples of one length are decomposed together: padding would cost the cube of the longest.
        (rows,) = torch.nonzero(positions.lengths_B == length, as_tuple=True)
        for part in torch.split(rows, max(1, chunk_size(norm_N.device) // (length * positions.hidden_PD.shape[1]))):
            index_NL = start_N[part, None] + torch.arange(length, device=norm_N.device)
            hidden_NLD = positions.hidden_PD[index_NL]
            norm_N[part] = _root_trace(_logit_gram(hidden_NLD, head, root_DD))
    return norm_N


def build_logit_map(head: Head, generator: np.random.Generator) -> LogitMap:
    """Draw the maps of `logit_sketch`; the weights enter only by `Wᵀ S`, so a trained head is met by building again."""
    vocabulary, width = head.weight_VD.shape
    time_seed = int(generator.integers(2**63))
    feature_VK = torch.from_numpy(two_sided_map(generator, vocabulary, LOGIT_SKETCH_FEATURES))
    feature_VK = feature_VK.to(head.weight_VD.device)
    dtype = wide(head.weight_VD[:0]).dtype
    projected_DK = torch.zeros((width, LOGIT_SKETCH_FEATURES), dtype=dtype, device=feature_VK.device)
    for rows in chunks(vocabulary, width + LOGIT_SKETCH_FEATURES, feature_VK.device):
        projected_DK += head.weight_VD[rows].to(dtype).T @ feature_VK[rows].to(dtype)
    bias_K = None if head.bias_V is None else project(head.bias_V, feature_VK)
    return LogitMap(projected_DK, bias_K, None if head.softcap is None else feature_VK, time_seed)


def logit_sketch(positions: Positions, head: Head, logit_map: LogitMap) -> Tensor:
    """Return the sketch (N, 8 · 128) of each example's logit matrix X (L × V): `Rᵀ X S`, from `H (Wᵀ S)`.

    S (V × 128) and R (L × 8) are independent random maps with mean identity (`farsighted.signals.sketch`), so inner
    products are unbiased and `E‖sketch‖² = ‖X‖_F²`. Rows of R are drawn in order of position from one seed: padding X
    with zero rows to T = 512, as the published UDS does, would change nothing, and a response longer than that simply
    uses further rows of the same R. *Differs from the paper:* signs in place of a subsampled Fourier transform, and
    no factor √(V·T)/2 (the selector's `scale: compat` puts it back).

    *Reference:* definitions.md#logit_sketch.
    """
    if logit_map.feature_VK is None:
        projected_PK = project(positions.hidden_PD, logit_map.projected_DK)
        projected_PK = projected_PK if logit_map.bias_K is None else projected_PK + logit_map.bias_K
    else:
        rows = chunks(len(positions.hidden_PD), len(head.weight_VD), positions.hidden_PD.device)
        parts = [project(head.logits(positions.hidden_PD[part]), logit_map.feature_VK) for part in rows]
        projected_PK = torch.cat(parts)
    longest = int(positions.lengths_B.max())
    time = torch.from_numpy(row_signs(logit_map.time_seed, longest, LOGIT_SKETCH_TIME)).to(projected_PK)
    parts = [time[: len(part)].T @ part for part in torch.split(projected_PK, positions.lengths_B.tolist())]
    return torch.stack(parts).flatten(1)


def _logit_gram(hidden_NLD: Tensor, head: Head, root_DD: Tensor | None) -> Tensor:
    """Return a matrix with the squared singular values of each X as its non-zero eigenvalues, in float64."""
    if head.is_linear and root_DD is not None:
        rooted_NLD = hidden_NLD.double() @ root_DD
        wide_matrix = rooted_NLD.shape[1] <= rooted_NLD.shape[2]
        return rooted_NLD @ rooted_NLD.mT if wide_matrix else rooted_NLD.mT @ rooted_NLD
    count, length, _ = hidden_NLD.shape
    gram_NLL = torch.zeros((count, length, length), dtype=torch.float64, device=hidden_NLD.device)
    for block in chunks(len(head.weight_VD), count * length, hidden_NLD.device):
        logits_NLv = head.logits(hidden_NLD, block).double()
        gram_NLL += logits_NLv @ logits_NLv.mT
    return gram_NLL


def _root_trace(gram_NXX: Tensor) -> Tensor:
    finite_N = torch.isfinite(gram_NXX).all(-1).all(-1)
    eigenvalues_NX = torch.linalg.eigvalsh(torch.where(finite_N[:, None, None], gram_NXX, 0.0))
    norm_N = eigenvalues_NX.clamp_min(0).sqrt().sum(-1)
    return torch.where(finite_N, norm_N, torch.nan)
