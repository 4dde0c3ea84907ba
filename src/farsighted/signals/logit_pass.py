"""Everything that needs the logits of response tokens, from one look at each logit.

Logits exist for one chunk of tokens at a time: of whole examples where these fit, of a part of one where they do not.
A chunk is read in blocks of rows that stay in the cache, and its logits become the errors `softmax − onehot` in place
of a second buffer for each statistic.

Shape letters: N examples, L tokens of one example, R response tokens of the batch, D hidden, V vocabulary, v a block of
it, p and q widths of a sketch.

*Reference:* definitions.md#entropy-margin-el2n-correctness.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import torch
from torch import Tensor

from farsighted.signals.forward import Ragged
from farsighted.signals.logits import Head, chunk_size, chunks, wide
from farsighted.signals.sketch import TwoSided, project
from farsighted.signals.token_names import TOKEN_PREFIX, TOKEN_READINGS, TOKEN_SIGNALS

LOGIT_SIGNALS: Final = TOKEN_SIGNALS | {"head_grad_norm", "head_sketch"}
"""The signals that `logit_signals` can compute."""
LOGIT_READINGS: Final = LOGIT_SIGNALS | TOKEN_READINGS
"""All that `logit_signals` can compute."""

_BLOCK: Final = 2**18
"""Logits that a CPU reads several times in a row: 1 MiB in float32, so that they stay in its cache."""
_SEGMENT: Final = 128
"""Width of the pieces of the vocabulary whose maxima are taken first, to find the two largest logits."""


def logit_signals(ragged: Ragged, head: Head, want: Collection[str], maps: TwoSided | None = None) -> dict[str, Tensor]:
    """Return signals of each example: means (N,) of token statistics, and norm (N,) and sketch (N, p·q) of a gradient.

    With p the softmax of a token's logits, y its target: `nll` −ln p_y (nats), `entropy` −Σ p ln p (nats), `margin`
    largest minus second largest probability, `el2n` ‖p − onehot(y)‖₂ (Paul et al. 2021), `correctness` 1 where y is the
    first arg-max and 0 elsewhere. 1 − p_y is the sum of the others, so nearly certain tokens keep their digits.

    `head_grad_norm` and `head_sketch` are of the gradient of the example's mean NLL with respect to the head's W,
    `Σ_t e_t h_tᵀ / L`, e the gradient with respect to `h Wᵀ`. The squared norm is `Σ_{s,t} ⟨e_s, e_t⟩⟨h_s, h_t⟩` where
    L ≤ D, else the sum is formed for one block of the vocabulary at a time; exact up to rounding. The sketch is
    `(E A)ᵀ (H B) / L`, inner products unbiased.

    Memory: two buffers of `chunk_size(device)` numbers; never V × D, never L × V beyond a chunk. The logits of an
    example that does not fit one chunk are computed a second time where its norm is wanted.

    Args:
        ragged: response positions of the batch.
        head: the output head.
        want: out of `LOGIT_READINGS`; `token_` before the name of a mean asks for its terms (R,).
        maps: the two-sided map of a V × D matrix, where `head_sketch` is wanted.
    """
    unknown = set(want) - LOGIT_READINGS
    if unknown:
        raise ValueError(f"`want` must name signals out of {sorted(LOGIT_READINGS)}, but has {sorted(unknown)}.")
    if "head_sketch" in want and maps is None:
        raise ValueError("A sketch needs `maps`. Draw them with `draw_two_sided`.")
    side_Vp = None if maps is None or "head_sketch" not in want else maps.left_OP
    read = _read(ragged, head, frozenset(name.removeprefix(TOKEN_PREFIX) for name in want), side_Vp)
    signals = {name: ragged.mean(values_R) for name, values_R in read.statistics.items() if name in want}
    signals |= {name: read.statistics[name.removeprefix(TOKEN_PREFIX)] for name in TOKEN_READINGS.intersection(want)}
    if "head_grad_norm" in want:
        squared_N = torch.stack([read.squared[row] for row in range(len(ragged.lengths_B))])
        signals["head_grad_norm"] = squared_N.clamp_min(0).sqrt() / ragged.lengths_B
    if maps is not None and "head_sketch" in want:
        left_Rp, right_Rq = torch.cat(read.lefts), project(ragged.hidden_RD, maps.right_IQ)
        products = zip(*(torch.split(side, ragged.lengths_B.tolist()) for side in (left_Rp, right_Rq)), strict=True)
        sketch_NK = torch.stack([left.T @ right.to(left.dtype) for left, right in products]).flatten(1)
        signals["head_sketch"] = sketch_NK / ragged.lengths_B[:, None]
    return signals


def head_grad_norm(ragged: Ragged, head: Head) -> Tensor:
    """Return the norm (N,) of the gradient of each example's mean response NLL with respect to the head's W.

    *Reference:* definitions.md#head_grad_norm.
    """
    return logit_signals(ragged, head, {"head_grad_norm"})["head_grad_norm"]


def head_sketch(ragged: Ragged, head: Head, maps: TwoSided) -> Tensor:
    """Return the sketch (N, p·q) of each example's head gradient.

    *Reference:* definitions.md#head_sketch.
    """
    return logit_signals(ragged, head, {"head_sketch"}, maps)["head_sketch"]


class _Run(NamedTuple):
    """Tokens whose logits fit one chunk."""

    tokens: slice
    examples: range
    """The examples that are whole in it; none where it is a part of one."""


@dataclass(slots=True)
class _Read:
    """What was read so far, run after run."""

    statistics: dict[str, Tensor] = field(default_factory=dict)
    """By name, (R,); `lse` and `rest` (1 − p_y) are among them."""
    lefts: list[Tensor] = field(default_factory=list)
    """`E A` (L, p) of each run."""
    squared: dict[int, Tensor] = field(default_factory=dict)
    """By example: the squared norm of `Σ_t e_t h_tᵀ`."""


def _runs(lengths: list[int], vocabulary: int, limit: int) -> Iterator[_Run]:
    """Cut a batch into runs of as many whole examples as fit, and examples that do not fit into parts."""
    room = max(1, limit // vocabulary)
    first = start = 0
    for row, length in enumerate([*lengths, room + 1]):
        stop = start + sum(lengths[first:row])
        if row > first and (row == len(lengths) or stop + length - start > room):
            if stop - start <= room:
                yield _Run(slice(start, stop), range(first, row))
            else:
                yield from (_Run(slice(at, min(at + room, stop)), range(0)) for at in range(start, stop, room))
            first, start = row, stop


def _read(ragged: Ragged, head: Head, want: frozenset[str], side_Vp: Tensor | None) -> _Read:
    read, parts = _Read(), list[dict[str, Tensor]]()
    lengths = ragged.lengths_B.tolist()
    wants_norm = "head_grad_norm" in want
    for run in _runs(lengths, len(head.weight_VD), chunk_size(ragged.hidden_RD.device)):
        hidden_LD = ragged.hidden_RD[run.tokens]
        logits_LV = head.logits(hidden_LD)
        error_LV = torch.empty_like(logits_LV) if wants_norm or side_Vp is not None else None
        parts += _look_at_all(logits_LV, ragged.target_R[run.tokens], head, want, error_LV)
        if error_LV is not None and side_Vp is not None:
            read.lefts.append(project(error_LV, side_Vp))
        if error_LV is not None and wants_norm and run.examples:
            sizes = lengths[run.examples.start : run.examples.stop]
            both = zip(torch.split(error_LV, sizes), torch.split(hidden_LD, sizes), strict=True)
            squares = (_squared(error, wide(hidden)) for error, hidden in both)
            read.squared |= dict(zip(run.examples, squares, strict=True))
    read.statistics = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if wants_norm:
        _add_long(read, ragged, head, lengths)
    return read


def _look_at_all(
    logits_LV: Tensor, target_L: Tensor, head: Head, want: frozenset[str], error_LV: Tensor | None
) -> Iterator[dict[str, Tensor]]:
    """Yield the statistics of one block of rows after the other, and put the errors into `error_LV`."""
    on_cpu = logits_LV.device.type == "cpu"
    step = max(1, _BLOCK // logits_LV.shape[1]) if on_cpu else len(logits_LV)
    for rows in (slice(start, start + step) for start in range(0, len(logits_LV), step)):
        probability_LV = torch.empty_like(logits_LV[rows]) if error_LV is None else error_LV[rows]
        yield _look(logits_LV[rows], target_L[rows, None], want, probability_LV)
        if error_LV is not None and head.softcap is not None:
            error_LV[rows] *= 1 - (logits_LV[rows] / head.softcap) ** 2


def _look(logits_LV: Tensor, target_L1: Tensor, want: frozenset[str], out_LV: Tensor) -> dict[str, Tensor]:
    """Return statistics of some tokens, and leave `softmax − onehot` in `out_LV`."""
    top = _two_largest(logits_LV)
    p_LV = torch.softmax(logits_LV, -1, out=out_LV)
    lse_L = top.first - p_LV.gather(-1, top.index_L1)[:, 0].log()
    found = {"lse": lse_L}
    if "entropy" in want:
        found["entropy"] = torch.linalg.vecdot(p_LV, lse_L[:, None] - logits_LV)
    p_LV.scatter_(-1, target_L1, 0.0)
    rest_L = found["rest"] = p_LV.sum(-1)
    if "nll" in want:
        # Where the target is nearly certain, 1 − p_y has the digits that a difference of logits lacks.
        far_L = lse_L - logits_LV.gather(-1, target_L1)[:, 0]
        found["nll"] = torch.where(rest_L < 0.5, -torch.log1p(-rest_L), far_L)
    if "margin" in want:
        found["margin"] = torch.exp(top.first - lse_L) - torch.exp(top.second - lse_L)
    if "correctness" in want:
        found["correctness"] = (top.index_L1 == target_L1)[:, 0].to(p_LV.dtype)
    if "el2n" in want:
        found["el2n"] = torch.hypot(rest_L, torch.linalg.vector_norm(p_LV, dim=-1))
    p_LV.scatter_(-1, target_L1, -rest_L[:, None])
    return found


class _Top(NamedTuple):
    first: Tensor
    second: Tensor
    """Equal to the first where two are equal; −inf in a vocabulary of one."""
    index_L1: Tensor
    """The first place of the largest."""


def _two_largest(logits_LV: Tensor) -> _Top:
    """Return the two largest of each row, from the maxima of short pieces: a search of whole rows is far slower."""
    vocabulary = logits_LV.shape[1]
    width = min(_SEGMENT, vocabulary)
    even = vocabulary - vocabulary % width
    maxima_LS = logits_LV[:, :even].reshape(len(logits_LV), -1, width).amax(-1)
    if even < vocabulary:
        maxima_LS = torch.cat([maxima_LS, logits_LV[:, even:].amax(-1, keepdim=True)], dim=1)
    segment_L1 = maxima_LS.argmax(-1, keepdim=True)
    column_Lw = segment_L1 * width + torch.arange(width, device=logits_LV.device)
    inside_Lw = logits_LV.gather(1, column_Lw.clamp_max(vocabulary - 1))
    inside_Lw = inside_Lw.masked_fill(column_Lw >= vocabulary, -torch.inf)
    place_L1 = inside_Lw.argmax(-1, keepdim=True)
    elsewhere_L = maxima_LS.scatter(1, segment_L1, -torch.inf).amax(-1)
    beside_L = inside_Lw.scatter(1, place_L1, -torch.inf).amax(-1)
    first_L = inside_Lw.gather(1, place_L1)[:, 0]
    return _Top(first_L, torch.maximum(elsewhere_L, beside_L), segment_L1 * width + place_L1)


def _squared(error_LV: Tensor, hidden_LD: Tensor) -> Tensor:
    """Return the squared norm of `Σ_t e_t h_tᵀ` of one example, by the cheaper of two forms."""
    hidden_LD = hidden_LD.to(error_LV.dtype)
    if len(hidden_LD) <= hidden_LD.shape[1]:
        return ((error_LV @ error_LV.T) * (hidden_LD @ hidden_LD.T)).sum()
    blocks = chunks(error_LV.shape[1], hidden_LD.shape[1], hidden_LD.device)
    return torch.stack([(error_LV[:, block].T @ hidden_LD).square().sum() for block in blocks]).sum()


def _add_long(read: _Read, ragged: Ragged, head: Head, lengths: list[int]) -> None:
    """Add the squared norms of examples that did not fit one chunk, from blocks of the vocabulary."""
    start = 0
    for row, length in enumerate(lengths):
        rows = slice(start, start + length)
        start += length
        if row in read.squared:
            continue
        hidden_LD, target_L = ragged.hidden_RD[rows], ragged.target_R[rows]
        lse_L, rest_L = read.statistics["lse"][rows], read.statistics["rest"][rows]
        hidden = wide(hidden_LD).to(lse_L.dtype)
        gram_LL = hidden @ hidden.T if length <= hidden.shape[1] else None
        total = torch.zeros((), dtype=lse_L.dtype, device=lse_L.device)
        width = length if gram_LL is not None else max(length, hidden.shape[1])
        for block in chunks(len(head.weight_VD), width, lse_L.device):
            logits_Lv = head.logits(hidden_LD, block)
            error_Lv = torch.exp(logits_Lv - lse_L[:, None])
            (inside,) = torch.nonzero((target_L >= block.start) & (target_L < block.stop), as_tuple=True)
            error_Lv[inside, target_L[inside] - block.start] = -rest_L[inside]
            if head.softcap is not None:
                error_Lv *= 1 - (logits_Lv / head.softcap) ** 2
            product = error_Lv.T @ hidden if gram_LL is None else error_Lv @ error_Lv.T
            total += product.square().sum() if gram_LL is None else (product * gram_LL).sum()
        read.squared[row] = total
