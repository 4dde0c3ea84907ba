"""The output head, and logits that are never whole: every function here works on chunks of tokens (definitions.md#nll).

Shape letters: R response tokens of a batch, D hidden, V vocabulary. Device and dtype come from the tensors; half
precision is widened to float32 after the matrix product with the head, float64 stays float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 2**22
"""Largest number of logits alive at once on a CPU (16 MiB in float32; a few temporaries of that size come with it)."""
CHUNK_ACCELERATOR = 2**26
"""The same on every other device, where small products would leave the device idle."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """How hidden states become logits: `softcap · tanh((h Wᵀ + b) / softcap)`, or plain `h Wᵀ + b`.

    A model that multiplies its logits by a constant is covered by multiplying the hidden states instead: logits,
    nuclear norm and head gradient are all exact then.
    """

    weight_VD: Tensor
    """Output embedding."""
    bias_V: Tensor | None = None
    softcap: float | None = None
    """Final logit soft-cap (Gemma 2), in logits; None where there is none."""

    @property
    def is_linear(self) -> bool:
        """Whether logits are exactly `h Wᵀ`, so that functions of `WᵀW` may stand in for them."""
        return self.bias_V is None and self.softcap is None

    def detached(self) -> "Head":
        """Return the same head, outside of any gradient."""
        bias = None if self.bias_V is None else self.bias_V.detach()
        return Head(self.weight_VD.detach(), bias, self.softcap)

    def logits(self, hidden: Tensor, columns: slice = slice(None)) -> Tensor:
        """Return the logits (..., width of `columns`) of hidden states (..., D), widened by `wide`."""
        weight = self.weight_VD[columns]
        bias = None if self.bias_V is None else self.bias_V[columns]
        logits = wide(functional.linear(hidden.to(weight.dtype), weight, bias))
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)


def wide(values: Tensor) -> Tensor:
    """Return the values in at least float32: half precision is widened, float64 is kept."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def chunk_size(device: torch.device) -> int:
    """Return how many elements one chunk may hold on a device."""
    return CHUNK if device.type == "cpu" else CHUNK_ACCELERATOR


def chunks(count: int, width: int, device: torch.device) -> Iterator[slice]:
    """Cut `count` rows of `width` elements into slices of at most `chunk_size(device)` elements, one row at least."""
    step = max(1, chunk_size(device) // max(1, width))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def residual(head: Head, logits: Tensor, lse: Tensor, target: Tensor, start: int = 0) -> Tensor:
    """Return the gradient of the NLL with respect to `h Wᵀ`: softmax minus one-hot, times the slope of the soft-cap.

    Args:
        head: the head that the logits come from.
        logits: (..., v) logits of the vocabulary block that begins at `start`.
        lse: (...) log-sum-exp over the whole vocabulary.
        target: (...) target ids; those outside of the block have no one-hot in it.
        start: first vocabulary id of the block.
    """
    width = logits.shape[-1]
    error = torch.exp(logits - lse[..., None])
    inside = (target >= start) & (target < start + width)
    column = (target - start).clamp(0, width - 1)[..., None]
    error.scatter_add_(-1, column, -inside[..., None].to(error.dtype))
    return error if head.softcap is None else error * (1 - (logits / head.softcap) ** 2)


def token_nll(hidden_RD: Tensor, head: Head, target_R: Tensor) -> Tensor:
    """Return the negative log-likelihood (R,) of each target, in nats, differentiable with respect to hidden and head.

    The gradient with respect to the hidden states, `(softmax − onehot) W`, is formed chunk by chunk during the
    forward pass, so neither pass holds R × V logits.
    """
    return _TokenNLL.apply(hidden_RD, head.weight_VD, head.bias_V, target_R, head.softcap)  # type: ignore[no-any-return, no-untyped-call]


class _TokenNLL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_R: Tensor, softcap: float | None
    ) -> Tensor:
        head = Head(weight_VD, bias_V, softcap)
        nll_R = torch.empty(len(target_R), dtype=wide(weight_VD[:0]).dtype, device=hidden_RD.device)
        slope_RD = torch.empty_like(hidden_RD) if ctx.needs_input_grad[0] else None
        for rows in chunks(len(target_R), len(weight_VD), hidden_RD.device):
            logits = head.logits(hidden_RD[rows])
            lse = torch.logsumexp(logits, -1)
            nll_R[rows] = lse - logits.gather(-1, target_R[rows, None])[:, 0]
            if slope_RD is not None:
                error = residual(head, logits, lse, target_R[rows])
                slope_RD[rows] = (error.to(weight_VD.dtype) @ weight_VD).to(slope_RD.dtype)
        ctx.head_saved = ctx.needs_input_grad[1] or ctx.needs_input_grad[2]
        ctx.softcap = softcap
        ctx.save_for_backward(slope_RD, *((hidden_RD, weight_VD, bias_V, target_R) if ctx.head_saved else ()))
        return nll_R

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        weight_R = upstream[0]
        slope_RD, *saved = ctx.saved_tensors
        grad_hidden = None if slope_RD is None else slope_RD * weight_R[:, None].to(slope_RD.dtype)
        grad_weight, grad_bias = _head_gradient(saved, ctx.softcap, weight_R) if ctx.head_saved else (None, None)
        return grad_hidden, grad_weight, grad_bias, None, None


def _head_gradient(saved: list[Tensor], softcap: float | None, weight_R: Tensor) -> tuple[Tensor, Tensor | None]:
    hidden_RD, weight_VD, bias_V, target_R = saved
    head = Head(weight_VD, bias_V, softcap)
    grad_weight = torch.zeros_like(weight_VD, dtype=weight_R.dtype)
    grad_bias = None if bias_V is None else torch.zeros_like(bias_V, dtype=weight_R.dtype)
    for rows in chunks(len(target_R), len(weight_VD), hidden_RD.device):
        logits = head.logits(hidden_RD[rows])
        error = residual(head, logits, torch.logsumexp(logits, -1), target_R[rows]) * weight_R[rows, None]
        grad_weight += error.T @ hidden_RD[rows].to(error.dtype)
        if grad_bias is not None:
            grad_bias += error.sum(0)
    return grad_weight.to(weight_VD.dtype), None if bias_V is None or grad_bias is None else grad_bias.to(bias_V.dtype)
