"""Forward and backward passes of a causal LM over one padded batch: all scoring and training goes through here."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from farsighted.core.errors import DivergedError, ModelError
from farsighted.core.rng import GRADIENT_MAPS, HEAD_MAPS, stream
from farsighted.core.values import Tokens
from farsighted.data.batches import pad
from farsighted.learners.scaled import scaled_trunk
from farsighted.learners.single_pass import KeptPass
from farsighted.models.loading import LanguageModel
from farsighted.signals.forward import Ragged, Where, gather_positions, gather_response, scoring_mode
from farsighted.signals.gradients import GradientMaps, Gradients, PerExampleGradients, build_gradient_maps
from farsighted.signals.instrumented import FORWARD_READINGS, HeadMaps, build_head_maps, forward_signals
from farsighted.signals.kept import kept_bytes
from farsighted.signals.logit_pass import head_grad_norm, head_sketch
from farsighted.signals.logits import Head, token_nll
from farsighted.signals.provided import provided
from farsighted.signals.registry import at_positions
from farsighted.signals.scoring import TOLERANCE, TOLERANCE_ALONE_HALF, ScoredBatch, scoring_pass, self_test
from farsighted.signals.table import readings_of
from farsighted.signals.tied import HeadPart

MAPS_SEED = 20260530
"""Seed of the random sketch maps: one set for all audits, so that sketches of any two runs can be compared."""

GRADIENT_SIGNALS = frozenset({"grad_norm", "grad_sketch"})
_LOGIT_TOLERANCE = 1e-3


def trunk_and_head(lm: LanguageModel) -> tuple[nn.Module, Head]:
    """Return the part of a causal LM that gives hidden states, and its output head."""
    head = lm.get_output_embeddings()
    if lm.base_model is lm or head is None:
        raise ModelError(f"{type(lm).__name__} has no separate trunk and output head. Choose a causal language model.")
    softcap = getattr(lm.config, "final_logit_softcapping", None)
    return scaled_trunk(lm), Head(head.weight, getattr(head, "bias", None), softcap)


class Passes:
    """The passes over one model; random maps are drawn once and are the same in every process."""

    def __init__(self, trunk: nn.Module, head: Head) -> None:
        self._trunk = trunk
        self._head = head
        self._gradient_maps = build_gradient_maps(trunk, stream(MAPS_SEED, "init", GRADIENT_MAPS))
        self._head_maps: dict[frozenset[str], HeadMaps] = {}
        self._capture_gradients(trunk, self._gradient_maps)

    def _capture_gradients(self, trunk: nn.Module, maps: GradientMaps) -> None:
        self._sketching = PerExampleGradients(trunk, maps, want_norm=False)
        self._norms = PerExampleGradients(trunk, None, want_norm=True)
        self._norms_and_sketches = PerExampleGradients(trunk, maps, want_norm=True)
        self._keeping = PerExampleGradients(trunk, maps, want_norm=True, keep=True)
        self._tied = self._keeping.tied_to(self._head) is not None

    @property
    def trunk_parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters of the trunk, by the names that kept gradients have."""
        return self._keeping.parameters

    @property
    def vocabulary_size(self) -> int:
        """V: rows of the output head."""
        return len(self._head.weight_VD)

    def signals(self, batch: Sequence[Tokens], needs: frozenset[str]) -> Mapping[str, np.ndarray]:
        """Return the needed model signals of a batch, in evaluation mode, from one forward pass.

        One backward pass follows only where a gradient signal is among them.
        """
        readings = readings_of(needs)
        scored = self._scored(readings, batch) if readings & GRADIENT_SIGNALS else None
        return provided(needs, batch, self._left(batch, readings, scored))

    def kept_bytes(self, batch: Sequence[Tokens]) -> int | None:
        """Return the bytes that `signals_kept` would keep, at most; None where an untied head is trained as well."""
        if self._head.weight_VD.requires_grad and not self._tied:
            return None
        return kept_bytes(self._trunk, len(batch), max(len(tokens.ids) for tokens in batch))

    def signals_kept(self, batch: Sequence[Tokens], needs: frozenset[str]) -> tuple[Mapping[str, np.ndarray], KeptPass]:
        """Return `signals(batch, needs)`, needs of gradients among them, and what a step on some rows takes."""
        scored = self._scored_by(self._keeping, batch)
        found = self._left(batch, readings_of(needs) | {"nll"}, scored)
        gradients = scored.gradients
        if gradients.kept is None or gradients.sketch_BK is None:
            raise RuntimeError("a capture that keeps and has maps gives both")
        kept = KeptPass(gradients.kept, found["nll"], gradients.sketch_BK.cpu().numpy())
        return provided(needs, batch, found), kept

    def _left(
        self, batch: Sequence[Tokens], needs: frozenset[str], scored: ScoredBatch | None
    ) -> dict[str, np.ndarray]:
        """Return what the one pass leaves for the providers of signals."""
        hidden_BLD: Tensor | None = None
        gradients: Gradients | None = None
        if scored is not None:
            ragged, gradients = scored
        elsewhere = {positions for _, positions in map(at_positions, needs)} - {"response"}
        if gradients is None or elsewhere or "embedding" in needs:
            with torch.no_grad(), scoring_mode(self._trunk):
                hidden_BLD = self._states(self._ids(batch)) if elsewhere else self._hidden(batch)
            ragged = gather_response(hidden_BLD, batch)
        forward_needs = needs & FORWARD_READINGS
        found = forward_signals(ragged, self._maps(forward_needs), forward_needs)
        if hidden_BLD is not None:
            for positions in sorted(elsewhere):
                found |= self._signals_elsewhere(hidden_BLD, batch, ragged, positions, needs)
        if hidden_BLD is not None and "embedding" in needs:
            found["embedding"] = _embedding(hidden_BLD, batch)
        if gradients is not None:
            found |= self._gradient_arrays(gradients, ragged, needs)
        return found

    def _scored(self, needs: frozenset[str], batch: Sequence[Tokens]) -> ScoredBatch:
        return self._scored_by(self._norms_and_sketches if "grad_sketch" in needs else self._norms, batch)

    def _scored_by(self, capture: PerExampleGradients, batch: Sequence[Tokens]) -> ScoredBatch:
        return scoring_pass(capture, self._trunk, self._ids(batch), batch, self._head.detached())

    def train(self, batch: Sequence[Tokens], total_tokens: int, weight_B: np.ndarray) -> Mapping[str, np.ndarray]:
        """Add the gradient of the batch's weighted NLL / `total_tokens` to `.grad`; weights are above 0.

        Returns nll_sum (B,) and sketch (B, K), both without weights.

        Raises `DivergedError` before the backward pass where an example's loss is not finite.
        """
        with self._sketching as capture:
            ragged = gather_response(self._hidden(batch), batch)
            nll_R = token_nll(ragged.hidden_RD, self._head, ragged.target_R)
            mean_B = ragged.mean(nll_R.detach())
            if not torch.isfinite(mean_B).all():
                bad = torch.nonzero(~torch.isfinite(mean_B))[:, 0].tolist()
                raise DivergedError.naming("The training loss is not finite", [batch[row].example.id for row in bad])
            weight = torch.from_numpy(weight_B).to(nll_R)
            torch.autograd.backward((nll_R * weight[ragged.row_R]).sum() / total_tokens)
            ragged = ragged.detached()
            head_part = HeadPart(ragged, self._head.detached()) if self._tied else None
            gradients = capture.collect(len(batch), total_tokens / (ragged.lengths_B * weight), head_part)
        gradients = self._with_head(gradients, ragged)
        if gradients.sketch_BK is None:
            raise RuntimeError("a capture with maps gives sketches")
        nll_sum = (mean_B * ragged.lengths_B).cpu().numpy()
        return {"nll_sum": nll_sum, "sketch": gradients.sketch_BK.cpu().numpy()}

    def self_test(self, lm: LanguageModel, batch: Sequence[Tokens]) -> None:
        """Compare logits and per-example gradients of two examples with the model's own; raises `ModelError`."""
        pair = [self._surprising(tokens) for tokens in sorted(batch, key=lambda tokens: len(tokens.ids))[:2]]
        self._self_test_padding(pair[0].ids)
        with torch.no_grad(), scoring_mode(lm):
            ragged = gather_response(self._hidden(pair), pair)
            ours = self._head.logits(ragged.hidden_RD)
            theirs = gather_response(lm(self._ids(pair)).logits, pair).hidden_RD.to(ours)
        gap = float((ours - theirs).norm() / theirs.norm())
        if not gap <= _LOGIT_TOLERANCE * (50 if self._head.weight_VD.dtype != torch.float32 else 1):
            raise ModelError(
                f"Logits must be hidden states times the output head, but for {type(lm).__name__} they differ by "
                f"{gap:.2g} of their norm. This architecture changes its logits in a way that is not supported."
            )
        self._self_test_gradients(pair)

    def _self_test_padding(self, ids: Sequence[int]) -> None:
        """Compare the states of the first half of a text alone and padded on the right: no mask is ever given."""
        half, device = ids[: len(ids) // 2], self._head.weight_VD.device
        with torch.no_grad(), scoring_mode(self._trunk):
            alone = self._states(torch.tensor([half], device=device))[0].float()
            beside = self._states(torch.from_numpy(pad([ids, half]).ids_BL).to(device))[1, : len(half)].float()
        gap = float((alone - beside).norm() / alone.norm())
        if not gap <= (TOLERANCE if self._head.weight_VD.dtype == torch.float32 else TOLERANCE_ALONE_HALF):
            raise ModelError(
                "A token must be read the same whatever follows it, but the padding after a text changes its states by "
                f"{gap:.2g} of their norm. Use a causal language model."
            )

    def _self_test_gradients(self, batch: Sequence[Tokens]) -> None:
        capture, maps = self._norms_and_sketches, self._gradient_maps
        self_test(self._trunk, self._ids(batch), batch, self._head.detached(), capture, maps)

    def _signals_elsewhere(
        self, hidden_BLD: Tensor, batch: Sequence[Tokens], ragged: Ragged, positions: str, needs: frozenset[str]
    ) -> dict[str, np.ndarray]:
        """Nuclear norm and logit sketch over other positions than the response's."""
        names = frozenset(name for name, where in map(at_positions, needs) if where == positions)
        elsewhere = gather_positions(hidden_BLD, batch, cast(Where, positions))
        found = forward_signals(ragged, self._maps(names), names, elsewhere)
        return {f"{name}:{positions}": array for name, array in found.items()}

    def _surprising(self, tokens: Tokens) -> Tokens:
        """The example with other response tokens: the gradient of a known response may be all rounding error."""
        response = tuple((token + 1) % self.vocabulary_size for token in tokens.ids[tokens.prompt_length :])
        return dataclasses.replace(tokens, ids=tokens.ids[: tokens.prompt_length] + response)

    def _ids(self, batch: Sequence[Tokens]) -> Tensor:
        return torch.from_numpy(pad([tokens.ids for tokens in batch]).ids_BL).to(self._head.weight_VD.device)

    def _hidden(self, batch: Sequence[Tokens]) -> Tensor:
        # The state at an example's last token predicts nothing.
        return self._states(self._ids(batch)[:, :-1])

    def _states(self, ids_BL: Tensor) -> Tensor:
        states: Tensor = self._trunk(ids_BL).last_hidden_state
        return states

    def _maps(self, needs: frozenset[str]) -> HeadMaps:
        # A trained head changes with every step, and what is derived from it with it.
        if self._head.weight_VD.requires_grad or needs not in self._head_maps:
            self._head_maps[needs] = build_head_maps(self._head.detached(), stream(MAPS_SEED, "init", HEAD_MAPS), needs)
        return self._head_maps[needs]

    def _with_head(self, gradients: Gradients, ragged: Ragged) -> Gradients:
        """Add the gradient of a trained output head; one that is tied to the embedding has it already."""
        if self._tied or not self._head.weight_VD.requires_grad:
            return gradients
        maps = self._maps(frozenset({"head_sketch"}))
        if maps.sketch is None:
            raise RuntimeError("head_sketch was asked for")
        head = self._head.detached()
        return gradients.joined(Gradients(head_grad_norm(ragged, head), head_sketch(ragged, head, maps.sketch)))

    def _gradient_arrays(self, gradients: Gradients, ragged: Ragged, needs: frozenset[str]) -> dict[str, np.ndarray]:
        joined = self._with_head(gradients, ragged)
        tensors = {"grad_norm": joined.norm_B, "grad_sketch": joined.sketch_BK}
        wanted = {name: tensor for name, tensor in tensors.items() if name in needs and tensor is not None}
        return {name: tensor.cpu().numpy() for name, tensor in wanted.items()}


def _embedding(hidden_BLD: Tensor, batch: Sequence[Tokens]) -> np.ndarray:
    """Mean of the last hidden states over prompt and response, of length 1."""
    rows = [hidden_BLD[row, : len(tokens.ids) - 1].float().mean(0) for row, tokens in enumerate(batch)]
    unit: np.ndarray = nn.functional.normalize(torch.stack(rows), dim=-1).cpu().numpy()
    return unit
