"""Adapters of any kind that PEFT can put into a model, by name and settings."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, inject_adapter_in_model
from peft.utils import PeftType

from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.adapters import full_change
from farsighted.learners.base import ChangeInner
from farsighted.learners.start import logits_of, reason_of, seeded
from farsighted.learners.targets import lora_targets, named_as_they_are
from farsighted.models.loading import LanguageModel

Arrays = Mapping[str, np.ndarray]

_OWN_TARGETS: Final = {"IA3", "LN_TUNING", "TRAINABLE_TOKENS"}
"""Kinds that are defined on certain layers, which PEFT knows by architecture; others take all linear layers."""
_REFUSED: Final = {
    "CARTRIDGE": "it is distilled from a long text, which the stage protocol does not have; use prefix_tuning",
    "CPT": "it has a loss of its own; use prompt_tuning",
    "MULTITASK_PROMPT_TUNING": "it needs a task's number with every text; use prompt_tuning",
    "ADALORA": "it changes its ranks between steps, by a schedule that the stage protocol does not have",
    "POLY": "it needs a task's number with every text",
    "XLORA": "it mixes adapters that were trained before",
}
_TOLERANCE: Final = 1e-4
_TOLERANCE_HALF: Final = 5e-2


@dataclass(frozen=True)
class NamedPeft:
    """An adapter that PEFT builds and initialises; the base is frozen, but for the head under `train_head`.

    `name`: what the configuration calls it. `kind`: PEFT's name of the type, in capitals. Its change is that of its
    parameters, not of the product that they stand for.
    """

    name: str
    kind: str
    settings: Mapping[str, object]
    train_head: bool = False
    backward_cost: float = 1.0
    transition: None = None
    virtual_tokens: int = 0

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Insert the adapter, initialised by PEFT from a seed out of `rng`.

        Raises `ModelError` where PEFT refuses it, and where the model computes something else afterwards: M_0 would not
        be the model that all cells start from.
        """
        before = logits_of(model)
        with seeded(rng):
            lm = self._injected(model)
        for parameter in lm.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
        self._check_unchanged(before, lm)
        lm.get_output_embeddings().weight.requires_grad_(self.train_head)
        return lm

    def notes(self, model: LanguageModel) -> tuple[str, ...]:
        """Return what "all-linear" leaves out of a model that has no adapter yet."""
        targets = self.settings.get("target_modules", "" if self.kind in _OWN_TARGETS else "all-linear")
        note = lora_targets(model, targets).note if isinstance(targets, str) else None
        return () if note is None else (note,)

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Inner products of changes of the parameters, in double precision."""
        return full_change(a, b, c, list(a))

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Never asked for: there is no transition."""
        raise RuntimeError("An adapter by name is trained on from stage to stage.")

    def _injected(self, model: LanguageModel) -> LanguageModel:
        settings = {"task_type": "CAUSAL_LM", **self.settings}
        config_class = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.kind)]
        fields = set(getattr(config_class, "__dataclass_fields__", {}))
        if "target_modules" in fields and self.kind not in _OWN_TARGETS:
            settings.setdefault("target_modules", "all-linear")
        targets = settings.get("target_modules")
        if isinstance(targets, str):
            targets = settings["target_modules"] = lora_targets(model, targets).modules
        try:
            with warnings.catch_warnings(), named_as_they_are(model, targets if isinstance(targets, list) else ""):
                # What PEFT only warns of shows in the test of the logits, or not at all.
                warnings.simplefilter("ignore", UserWarning)
                return inject_adapter_in_model(config_class(**settings), model)
        except (TypeError, ValueError, KeyError, AttributeError, ImportError, RuntimeError) as error:
            raise ModelError(
                f"PEFT cannot put '{self.name}' on this model: {reason_of(error)}. Change `peft.{self.name}`, or use "
                "lora."
            ) from error

    def _check_unchanged(self, before: torch.Tensor | None, lm: LanguageModel) -> None:
        try:
            after = logits_of(lm)
        except RuntimeError as error:
            raise ModelError(
                f"The model does not run with '{self.name}': {str(error).partition(chr(10))[0]}. Set `model.dtype: "
                "float32`, or use lora."
            ) from error
        if before is None or after is None:
            return
        tolerance = _TOLERANCE if lm.dtype == torch.float32 else _TOLERANCE_HALF
        gap = float((after - before).norm() / before.norm())
        if not gap <= tolerance:
            raise ModelError(
                f"An adapter must leave the model as it is until a step is taken, but '{self.name}' changes its logits "
                f"by {gap:.2g} of their norm. Choose another initialisation in `peft.{self.name}`."
            )


def peft_kinds() -> tuple[str, ...]:
    """Return the names of PEFT's types, in small letters, as a configuration writes them."""
    return tuple(sorted(kind.value.lower() for kind in PEFT_TYPE_TO_CONFIG_MAPPING if kind.value not in _REFUSED))


def named_peft(name: str, settings: Mapping[str, object], train_head: bool) -> NamedPeft:
    """Return the adapter that a configuration names: its `peft_type`, or else its name, is PEFT's name of a type.

    Raises `ConfigError` for a name that is unknown and for types that do not fit the stage protocol.
    """
    kind = str(settings.get("peft_type", name)).upper()
    if kind in _REFUSED:
        raise ConfigError(f"`adaptations: {name}` is not supported: {_REFUSED[kind]}. Use lora.")
    if kind not in {known.value for known in PEFT_TYPE_TO_CONFIG_MAPPING}:
        raise ConfigError(
            f"`adaptations` must name lora, full, qlora, dora, rslora, pissa, bottleneck, p_tuning_v2, an entry of "
            f"`peft`, or a type of PEFT, but has '{name}'. Types: {', '.join(peft_kinds())}."
        )
    rest = {key: value for key, value in settings.items() if key != "peft_type"}
    return NamedPeft(name, kind, rest, train_head)
