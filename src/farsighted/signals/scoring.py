"""Gradients of a batch for scoring, and the start-up test that compares them with plain autograd.

*Reference:* definitions.md#grad_norm.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from farsighted.core.errors import ModelError
from farsighted.core.values import Tokens
from farsighted.signals.forward import Ragged, gather_response, scoring_mode
from farsighted.signals.gradients import GradientMaps, Gradients, PerExampleGradients
from farsighted.signals.logits import Head, token_nll
from farsighted.signals.recompute import recomputing
from farsighted.signals.tied import HeadPart

TOLERANCE: Final = 1e-3
TOLERANCE_HALF: Final = 5e-2
"""For models with weights in half precision, where two orders of summation differ by about 1e-2."""
TOLERANCE_ALONE_HALF: Final = 0.25
"""For a gradient alone against the same one in a batch: a GPU computes batches of other sizes by other kernels, whose
rounding differs in every layer (about 6e-2 for 32 random layers 4,096 wide in bfloat16)."""


class ScoredBatch(NamedTuple):
    """One forward and one backward pass: response positions for `forward_signals`, and gradients."""

    ragged: Ragged
    gradients: Gradients


def scoring_pass(
    capture: PerExampleGradients, trunk: nn.Module, input_ids_BL: Tensor, batch: Sequence[Tokens], head: Head
) -> ScoredBatch:
    """Return response positions and the gradients of each example's mean response NLL; `.grad` stays as it was.

    Runs in eval mode. The backward stops at the first modules that are trained, so neither weight gradients of the
    batch nor gradients of what lies before them are computed. Layers that are marked for gradient checkpointing are
    computed again instead of kept. Where a tracked embedding is tied to the head, its gradient has both parts.

    Args:
        capture: of the model whose trainable parameters are meant; not entered.
        trunk: maps ids (B, L) to an object with `last_hidden_state` (B, L, D).
        input_ids_BL: right-padded ids of the batch.
        batch: the same examples.
        head: the output head, outside of any gradient: `head.detached()`. That of a trained one that is tied to
            nothing is joined afterwards (`Gradients.joined`).

    Raises:
        ModelError: a head with gradients, a forward without them, or anything that `PerExampleGradients` refuses.
    """
    if head.weight_VD.requires_grad or (head.bias_V is not None and head.bias_V.requires_grad):
        raise ModelError(
            "The output head must be frozen for a scoring pass, but is trainable. Pass `head.detached()` and join the "
            "head's own gradient with `Gradients.joined`."
        )
    with capture, scoring_mode(trunk), recomputing(trunk), torch.enable_grad():
        ragged = gather_response(trunk(input_ids_BL).last_hidden_state, batch)
        total = ragged.mean(token_nll(ragged.hidden_RD, head, ragged.target_R)).sum()
        torch.autograd.grad(total, capture.frontier, allow_unused=True)
        ragged = ragged.detached()
        head_part = None if capture.tied_to(head) is None else HeadPart(ragged, head)
        return ScoredBatch(ragged, capture.collect(len(batch), head_part=head_part))


def self_test(
    trunk: nn.Module,
    input_ids_BL: Tensor,
    batch: Sequence[Tokens],
    head: Head,
    capture: PerExampleGradients,
    maps: GradientMaps | None = None,
) -> None:
    """Compare norms (and sketches) of two examples with autograd, one example at a time; pass in silence.

    The two shortest examples of the batch are taken, so that the explicit logits of the reference stay small. The
    reference goes through the same padded batch, so that the forward pass has the same rounding; against autograd on
    the example alone it shows that neither padding nor neighbours add anything. `.grad` stays as it was.

    Args:
        trunk: as for `scoring_pass`.
        input_ids_BL: right-padded ids.
        batch: the same examples, at least one.
        head: the frozen output head.
        capture: the one that will be used, wanting norms.
        maps: the maps of `capture`, if it has any.

    Raises:
        ModelError: a relative error beyond `TOLERANCE` (`TOLERANCE_HALF`, `TOLERANCE_ALONE_HALF` for half precision),
            with the example's id.
    """
    rows = sorted(range(len(batch)), key=lambda row: len(batch[row].ids))[:2]
    pair = [batch[row] for row in rows]
    ids_BL = input_ids_BL[rows, : max(len(tokens.ids) for tokens in pair)]
    found = scoring_pass(capture, trunk, ids_BL, pair, head).gradients
    if found.norm_B is None:
        raise ValueError("The self-test compares norms. Make `capture` with want_norm=True.")
    half = any(parameter.dtype in {torch.bfloat16, torch.float16} for parameter in trunk.parameters())
    tolerance, alone_tolerance = (TOLERANCE_HALF, TOLERANCE_ALONE_HALF) if half else (TOLERANCE, TOLERANCE)
    for row, tokens in enumerate(pair):
        gradients = _autograd(trunk, ids_BL, pair, row, head, capture)
        norm = _norm(gradients)
        _compare("norm", tokens, abs(float(found.norm_B[row]) - norm), norm, tolerance)
        if maps is not None and found.sketch_BK is not None:
            wanted = torch.stack([_sketch(maps, name, gradient) for name, gradient in gradients.items()]).sum(0)
            gap = float((found.sketch_BK[row] - wanted.to(found.sketch_BK)).norm())
            _compare("sketch", tokens, gap, norm, tolerance)
        alone = _autograd(trunk, ids_BL[row : row + 1, : len(tokens.ids)], [tokens], 0, head, capture)
        gap = _norm({name: gradients[name] - gradient for name, gradient in alone.items()})
        if not gap <= alone_tolerance * norm:
            raise ModelError(
                "Other examples in a batch must not change an example's gradient by more than "
                f"{alone_tolerance:g} of its norm, but for '{tokens.example.id}' the gap is {gap:.3g} and the norm "
                f"{norm:.3g}. Use forward signals for this model."
            )


def _autograd(
    trunk: nn.Module, ids_BL: Tensor, batch: Sequence[Tokens], row: int, head: Head, capture: PerExampleGradients
) -> dict[str, Tensor]:
    """Return the gradients of one example's mean response NLL, from a forward pass of the whole batch."""
    tied = capture.tied_to(head)
    if tied is not None:
        head = Head(capture.parameters[tied], head.bias_V, head.softcap)
    with scoring_mode(trunk), torch.enable_grad():
        state_BLD = trunk(ids_BL).last_hidden_state
        ragged = gather_response(state_BLD[row : row + 1], [batch[row]])
        loss = functional.cross_entropy(head.logits(ragged.hidden_RD), ragged.target_R)
        gradients = torch.autograd.grad(loss, list(capture.parameters.values()))
    return dict(zip(capture.parameters, gradients, strict=True))


def _norm(gradients: Mapping[str, Tensor]) -> float:
    return float(torch.stack([gradient.double().square().sum() for gradient in gradients.values()]).sum().sqrt())


def _sketch(maps: GradientMaps, name: str, gradient: Tensor) -> Tensor:
    return maps[name].of_matrix(gradient.reshape(len(gradient), -1).double()).flatten().cpu()


def _compare(what: str, tokens: Tokens, gap: float, norm: float, tolerance: float) -> None:
    # Written so that NaN fails too.
    if not gap <= tolerance * norm:
        raise ModelError(
            f"The gradient {what} of each example must agree with autograd to {tolerance:g} of its norm, but for "
            f"'{tokens.example.id}' the gap is {gap:.3g} and the norm {norm:.3g}. Use forward signals for this model."
        )
