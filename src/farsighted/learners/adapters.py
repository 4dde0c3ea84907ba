"""What is trainable: LoRA factors made by PEFT, or all parameters but the head."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model

from farsighted.core.errors import ModelError
from farsighted.learners.base import ChangeInner
from farsighted.learners.targets import lora_targets, named_as_they_are
from farsighted.learners.transitions import Transition, joined_factors
from farsighted.models.loading import LanguageModel

Arrays = Mapping[str, np.ndarray]


class Adaptation(Protocol):
    """How a base model is made trainable, and how its change is measured."""

    @property
    def backward_cost(self) -> float:
        """K of definitions.md#cost."""

    @property
    def virtual_tokens(self) -> int:
        """Positions that it puts before every text."""

    @property
    def transition(self) -> Transition | None:
        """What becomes of the adapter between stages; None = it is trained on."""

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Make `model` trainable in place and return the causal LM module to call; draws only from `rng`."""

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Return the inner products of the weight changes a → b and b → c."""

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Give the adapter new initial values, which change nothing yet; only where there is a transition."""


@runtime_checkable
class Noted(Protocol):
    """An adaptation that has something to say of a model before it is put on it."""

    def notes(self, model: LanguageModel) -> tuple[str, ...]:
        """Return sentences about what is left out."""


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters by PEFT on named linear layers; the base is frozen, but for the head under `train_head`."""

    r: int = 16
    alpha: float = 32
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    train_head: bool = False
    backward_cost: float = 1.0
    transition: Transition | None = None
    virtual_tokens: int = 0

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Insert adapters: A uniform in ±1/√fan_in (PEFT's own law) from `rng`, B zero, so that M_0 is unchanged.

        They are kept in float32 where the base is in half precision, which would round small updates away.
        """
        targets, _ = lora_targets(model, self.targets)
        settings = LoraConfig(
            r=self.r, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=targets, task_type="CAUSAL_LM"
        )
        try:
            # PEFT draws its initial values from torch's global generator: keep that draw from leaking out.
            with torch.random.fork_rng(devices=[]), named_as_they_are(model, targets), warnings.catch_warnings():
                # It says that it sets what GPT-2's layers need.
                warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
                lm = inject_adapter_in_model(settings, model)
        except ValueError as error:
            raise ModelError(
                f"LoRA cannot be put on this model: {error} Set `lora.targets` to names of linear layers."
            ) from error
        for name, parameter in sorted(lm.named_parameters()):
            if parameter.requires_grad:
                _initialise(name, parameter, rng)
        lm.get_output_embeddings().weight.requires_grad_(self.train_head)
        return lm

    def notes(self, model: LanguageModel) -> tuple[str, ...]:
        """Return what "all-linear" leaves out of a model that has no adapter yet."""
        note = lora_targets(model, self.targets).note
        return () if note is None else (note,)

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Inner products of B·A·scale changes from the factors alone: ⟨BA, DC⟩ = tr((BᵀD)(CAᵀ)).

        Adapters of finished stages count with the current one.
        """
        scale = self.alpha / self.r
        ab_bc = ab_ab = bc_bc = 0.0
        before, between, after = (joined_factors(arrays) for arrays in (a, b, c))
        for name in before:
            p, q, s = before[name], between[name], after[name]
            pq, qs, ps = _inner(p, q), _inner(q, s), _inner(p, s)
            pp, qq, ss = _inner(p, p), _inner(q, q), _inner(s, s)
            ab_bc += qs - qq - ps + pq
            ab_ab += qq - 2 * pq + pp
            bc_bc += ss - 2 * qs + qq
        adapter = ChangeInner(ab_bc * scale**2, max(ab_ab, 0.0) * scale**2, max(bc_bc, 0.0) * scale**2)
        return adapter.plus(full_change(a, b, c, [name for name in a if ".lora_" not in name]))

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Draw A anew from `rng` and set B to zero."""
        for name, parameter in sorted(lm.named_parameters()):
            if parameter.requires_grad and ".lora_" in name:
                _initialise(name, parameter, rng)


@dataclass(frozen=True)
class Full:
    """All parameters are trained; the output head stays frozen unless `train_head`, and so does what is tied to it."""

    train_head: bool = False
    backward_cost: float = 2.0
    transition: None = None
    virtual_tokens: int = 0

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Unfreeze everything but the head; a head tied to the embedding freezes the embedding with it."""
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        model.get_output_embeddings().requires_grad_(self.train_head)
        return model

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Inner products of parameter changes, in double precision."""
        return full_change(a, b, c, list(a))

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Never asked for: there is no adapter."""
        raise RuntimeError("Full training has no adapter to start again.")


def full_change(a: Arrays, b: Arrays, c: Arrays, names: Sequence[str]) -> ChangeInner:
    """Return the inner products of the changes a → b and b → c of the named arrays, in double precision."""
    ab_bc = ab_ab = bc_bc = 0.0
    for name in names:
        earlier = b[name].astype(np.float64).ravel() - a[name].astype(np.float64).ravel()
        later = c[name].astype(np.float64).ravel() - b[name].astype(np.float64).ravel()
        ab_bc += float(earlier @ later)
        ab_ab += float(earlier @ earlier)
        bc_bc += float(later @ later)
    return ChangeInner(ab_bc, ab_ab, bc_bc)


def _initialise(name: str, parameter: torch.nn.Parameter, rng: np.random.Generator) -> None:
    parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
    with torch.no_grad():
        if ".lora_A." in name:
            bound = 1 / math.sqrt(parameter.shape[1])
            values = rng.uniform(-bound, bound, size=tuple(parameter.shape)).astype(np.float32)
            parameter.copy_(torch.from_numpy(values))
        elif ".lora_B." in name:
            parameter.zero_()
        else:
            raise ModelError(f"'{name}' is trainable, but is no LoRA factor: only plain LoRA is supported here.")


def _inner(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    (bx, ax), (by, ay) = x, y
    return float(np.sum((bx.T @ by) * (ax @ ay.T)))
