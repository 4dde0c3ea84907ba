"""What becomes of a stage's LoRA adapter when the next stage begins; the model computes what it did before.

*Reference:* definitions.md#between-stages.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer

from farsighted.core.errors import ModelError
from farsighted.models.loading import LanguageModel

Arrays = Mapping[str, np.ndarray]

_FOLDED: Final = "folded"
_ACTIVE: Final = "default"
"""What PEFT calls an adapter that was given no name: the one in training."""


class Transition(Protocol):
    """How a finished adapter goes into the frozen part of the model."""

    def fold(self, lm: LanguageModel, factors: Arrays, number: int) -> None:
        """Add the product of `factors`, the adapter of stage `number` (from 1), to what `lm` computes."""


@dataclass(frozen=True)
class MergeAndReinit:
    """W += B·A·scale in the number format of the weights, which in half precision rounds it."""

    def fold(self, lm: LanguageModel, factors: Arrays, number: int) -> None:
        """Add the product to the base weights."""
        for layer, a_RI, b_OR in _layers(lm, factors):
            weight = layer.get_base_layer().weight
            with torch.no_grad():
                change = layer.scaling[_ACTIVE] * (b_OR.to(weight.device) @ a_RI.to(weight.device))
                weight += (change.T if layer.fan_in_fan_out else change).to(weight.dtype)


@dataclass(frozen=True)
class Stack:
    """The adapter stays as it is, frozen, beside the new one: exact, at the cost of one more product a layer."""

    def fold(self, lm: LanguageModel, factors: Arrays, number: int) -> None:
        """Add a frozen adapter named `stage_<number>` to each adapted layer."""
        name = f"stage_{number}"
        with torch.random.fork_rng(devices=[]):
            for layer, a_RI, b_OR in _layers(lm, factors):
                rank, alpha = layer.r[_ACTIVE], layer.lora_alpha[_ACTIVE]
                layer.update_layer(name, rank, alpha, LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0))
                layer.set_adapter([*(f"stage_{n}" for n in range(1, number + 1)), _ACTIVE])
                for part, values in ((layer.lora_A[name], a_RI), (layer.lora_B[name], b_OR)):
                    part.weight.data = values.to(part.weight.device)
                for n in range(1, number + 1):
                    layer.lora_A[f"stage_{n}"].requires_grad_(False)
                    layer.lora_B[f"stage_{n}"].requires_grad_(False)


class FoldedStages:
    """The adapters of finished stages, in order, with the model that they were folded into."""

    def __init__(self, lm: LanguageModel, transition: Transition | None) -> None:
        self._lm = lm
        self._transition = transition
        self._done: list[Arrays] = []

    def add(self, factors: Arrays) -> None:
        """Fold the adapter of the stage that has just ended."""
        if self._transition is None:
            raise RuntimeError("Nothing is folded where the adapter is trained on.")
        self._transition.fold(self._lm, factors, len(self._done) + 1)
        self._done.append({name: values.copy() for name, values in factors.items()})

    def arrays(self) -> Arrays:
        """Return all factors under names that `restore` and `joined_factors` know."""
        numbered = enumerate(self._done, start=1)
        return {f"{_FOLDED}.{n}.{name}": values for n, factors in numbered for name, values in factors.items()}

    def restore(self, arrays: Arrays) -> None:
        """Fold those adapters among `arrays` that are not folded yet; raises `ModelError` where others are."""
        stages = _folded_stages(arrays)
        known = zip(self._done, stages, strict=False)
        if len(stages) < len(self._done) or not all(_same(mine, theirs) for mine, theirs in known):
            raise ModelError("A model cannot go back before a finished stage. Load it anew.")
        for factors in stages[len(self._done) :]:
            self.add(factors)


def joined_factors(arrays: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return B (O, R) and A (R, I) of each layer, in double precision, all its adapters side by side.

    `arrays`: what a learner's `parameters` returns. The sum over the adapters of B·A is one product of the two. Keys:
    the name of A's current factor.
    """
    stages = [*_folded_stages(arrays), arrays]
    joined = {}
    for name_a in (name for name in arrays if ".lora_A." in name and not name.startswith(f"{_FOLDED}.")):
        name_b = name_a.replace(".lora_A.", ".lora_B.")
        b_OR = np.concatenate([stage[name_b] for stage in stages], axis=1, dtype=np.float64)
        joined[name_a] = (b_OR, np.concatenate([stage[name_a] for stage in stages], axis=0, dtype=np.float64))
    return joined


def _folded_stages(arrays: Arrays) -> list[dict[str, np.ndarray]]:
    stages: dict[int, dict[str, np.ndarray]] = {}
    for key, values in arrays.items():
        if key.startswith(f"{_FOLDED}."):
            _, number, name = key.split(".", 2)
            stages.setdefault(int(number), {})[name] = values
    return [stages[number] for number in sorted(stages)]


def _same(mine: Arrays, theirs: Arrays) -> bool:
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


def _layers(lm: LanguageModel, factors: Arrays) -> Iterator[tuple[LoraLayer, torch.Tensor, torch.Tensor]]:
    for name, layer in lm.named_modules():
        key = f"{name}.lora_A.{_ACTIVE}.weight"
        if isinstance(layer, LoraLayer) and key in factors:
            a_RI, b_OR = (torch.from_numpy(factors[k].copy()) for k in (key, key.replace(".lora_A.", ".lora_B.")))
            yield layer, a_RI, b_OR
