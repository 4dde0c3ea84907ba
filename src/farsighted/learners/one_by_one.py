"""Passes that read the gradient of one example at a time, for modules whose gradients cannot be read off a batch."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from farsighted.core.errors import DivergedError, ModelError
from farsighted.core.values import Example, Tokens
from farsighted.learners.passes import GRADIENT_SIGNALS, Passes
from farsighted.signals.forward import gather_response, scoring_mode
from farsighted.signals.gradients import GradientMaps, Gradients
from farsighted.signals.logits import Head, token_nll
from farsighted.signals.scoring import ScoredBatch
from farsighted.signals.tracked import NotBatchedError, can_track

_log = logging.getLogger(__name__)


class OneByOnePasses(Passes):
    """Exact norms and sketches from plain autograd: as many backward passes as examples.

    Sketches use the maps that a batched pass would use, so both give the same numbers for the same parameters.
    """

    def _capture_gradients(self, trunk: nn.Module, maps: GradientMaps) -> None:
        if self._head.weight_VD.requires_grad:
            raise ModelError(
                "A trained head needs gradients that can be told apart in a batch, which this model's cannot. Set "
                "`training.train_head: false`."
            )
        self._maps_of = maps
        self._parameters = {name: p for name, p in trunk.named_parameters() if p.requires_grad}
        self._tied = False

    @property
    def trunk_parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters of the trunk, by name."""
        return self._parameters

    def kept_bytes(self, batch: Sequence[Tokens]) -> int | None:
        """Return None: nothing is kept."""
        return None

    def train(self, batch: Sequence[Tokens], total_tokens: int, weight_B: np.ndarray) -> Mapping[str, np.ndarray]:
        """Add the gradient of the batch's weighted NLL / `total_tokens` to `.grad`; weights are above 0.

        Returns nll_sum (B,) and sketch (B, K), both without weights.

        Raises `DivergedError` where an example's loss is not finite.
        """
        sums, sketches = [], []
        for tokens, weight in zip(batch, weight_B.tolist(), strict=True):
            nll_R = self._nll(tokens)
            if not torch.isfinite(nll_R).all():
                raise DivergedError.naming("The training loss is not finite", [tokens.example.id])
            gradients = self._gradients(nll_R.sum() / total_tokens)
            for name, gradient in gradients.items():
                parameter = self._parameters[name]
                weighted = weight * gradient
                parameter.grad = weighted if parameter.grad is None else parameter.grad + weighted
            sketches.append(self._sketch(gradients) * (total_tokens / len(nll_R)))
            sums.append(float(nll_R.detach().sum()))
        return {"nll_sum": np.array(sums, dtype=np.float32), "sketch": torch.stack(sketches).cpu().numpy()}

    def _scored(self, needs: frozenset[str], batch: Sequence[Tokens]) -> ScoredBatch:
        norms, sketches = [], []
        with scoring_mode(self._trunk), torch.enable_grad():
            for tokens in batch:
                gradients = self._gradients(self._nll(tokens).mean())
                squares = torch.stack([gradient.double().square().sum() for gradient in gradients.values()])
                norms.append(squares.sum().sqrt().float())
                sketches.append(self._sketch(gradients))
        with torch.no_grad(), scoring_mode(self._trunk):
            ragged = gather_response(self._hidden(batch), batch)
        return ScoredBatch(ragged, Gradients(torch.stack(norms), torch.stack(sketches)))

    def _self_test_gradients(self, batch: Sequence[Tokens]) -> None:
        """Plain autograd is the reference itself: what can fail is that nothing, or not a number, comes back."""
        norms = self._scored(frozenset({"grad_norm"}), batch).gradients.norm_B
        if norms is None or not bool((torch.isfinite(norms) & (norms > 0)).all()):
            raise ModelError("The gradient of an example must be finite and above 0. Use another adapter.")

    def _nll(self, tokens: Tokens) -> Tensor:
        ragged = gather_response(self._hidden([tokens]), [tokens])
        return token_nll(ragged.hidden_RD, self._head.detached(), ragged.target_R)

    def _gradients(self, loss: Tensor) -> dict[str, Tensor]:
        parameters = list(self._parameters.values())
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        zeros = (torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True))
        return dict(zip(self._parameters, zeros, strict=True))

    def _sketch(self, gradients: Mapping[str, Tensor]) -> Tensor:
        parts = [
            self._maps_of[name].of_matrix(gradient.reshape(len(gradient), -1).double()).flatten()
            for name, gradient in gradients.items()
        ]
        return torch.stack(parts).sum(0).float()


ONE_BY_ONE: Final = (
    "Gradients are read one example at a time, which is slower than in batches: this architecture, or this adapter, "
    "allows no other way."
)
"""What is said of passes that `build_passes` could not batch."""


def build_passes(trunk: nn.Module, head: Head) -> Passes:
    """Return passes over a model: batched ones where its architecture and all its trainable modules allow that.

    Whether they do shows when two short texts are read; nothing of the model is changed by that.
    """
    if can_track(trunk):
        passes = Passes(trunk, head)
        try:
            passes.signals(_short_texts(passes.vocabulary_size), GRADIENT_SIGNALS)
        except NotBatchedError as error:
            _log.info("%s", error)
        else:
            return passes
    return OneByOnePasses(trunk, head)


def _short_texts(vocabulary_size: int) -> list[Tokens]:
    """Return two texts of different lengths, of ids that every model has."""
    ids = [token % vocabulary_size for token in range(1, 6)]
    return [Tokens(Example(str(length), "", ""), tuple(ids[:length]), 2) for length in (5, 3)]
