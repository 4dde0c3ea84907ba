"""From a configuration to a learner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from farsighted.config.audit import AuditConfig
from farsighted.core.adaptations import BOTTLENECK, PREFIX, VIRTUAL, kind_of, settings_of
from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.adapters import Adaptation, Full, Lora
from farsighted.learners.bottleneck import bottleneck_adapters
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import named_peft
from farsighted.learners.transitions import MergeAndReinit, Stack, Transition
from farsighted.learners.virtual_tokens import VirtualTokens
from farsighted.models.loading import LanguageModel, Loaded, load_empty, load_noted, load_quantized_noted

_TRANSITIONS: Final[Mapping[str, Transition]] = {"merge_and_reinit": MergeAndReinit(), "stack": Stack()}

_LORA_VARIANTS: Final = frozenset({"dora", "rslora", "pissa"})
"""Kinds of LoRA with a name of their own; rank, scale, dropout and targets come from `lora`."""


class TextModel(NamedTuple):
    """What is known of a language model before it is loaded."""

    folder: Path
    model_hash: str
    end_ids: tuple[int, ...]


def build_adaptation(config: AuditConfig, mode: str) -> Adaptation:
    """Return the adaptation of a cell; raises `ConfigError` for a mode that is unknown or cannot be combined."""
    transition, train_head, lora = config.training.stage_transition, config.training.train_head, config.lora
    if mode == "full":
        return Full(train_head)
    if mode == "qlora" and transition == "merge_and_reinit":
        raise ConfigError(
            "`training.stage_transition: merge_and_reinit` must add to the weights, but those of qlora have 4 bits, "
            "which round a change away. Write stack or continue."
        )
    if mode in {"lora", "qlora"}:
        return Lora(lora.r, lora.alpha, lora.dropout, lora.targets, train_head, transition=_TRANSITIONS.get(transition))
    if transition != "continue":
        raise ConfigError(
            f"`training.stage_transition: {transition}` is for lora, but `adaptations` has '{mode}'. Write continue."
        )
    return _beside_lora(config, mode)


def _beside_lora(config: AuditConfig, mode: str) -> Adaptation:
    kind, train_head = kind_of(mode, config.peft), config.training.train_head
    settings = settings_of(mode, config.peft)
    if kind == BOTTLENECK:
        return bottleneck_adapters(mode, settings, train_head)
    if kind == PREFIX and config.training.gradient_checkpointing:
        raise ConfigError(
            f"`adaptations: {mode}` keeps its prefix in a cache, which layers that are computed again do not see. Set "
            "`training.gradient_checkpointing: false`, or use prompt_tuning."
        )
    if kind in VIRTUAL:
        rest = {key: value for key, value in settings.items() if key != "peft_type"}
        return VirtualTokens(mode, kind, rest, train_head)
    if mode in _LORA_VARIANTS and "peft_type" not in config.peft.get(mode, {}):
        lora = config.lora
        targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
        shape = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "target_modules": targets}
        settings = {**shape, **settings}
    return named_peft(mode, settings, train_head)


def check_adaptations(config: AuditConfig, folder: Path) -> None:
    """Put each adaptation of an audit on a copy of the model that has no values; nothing is kept.

    Raises:
        ModelError: what the first cell would raise: fields, and names and shapes of modules, that do not fit the model.
            What only values can show is left to the self-test.
    """
    for mode in config.adaptations:
        adaptation = build_adaptation(config, mode)
        if not isinstance(adaptation, Lora | Full):
            try_on(load_empty(folder, config.model.dtype), adaptation)


def try_on(empty: LanguageModel, adaptation: Adaptation) -> None:
    """Put an adaptation on a model without values; raises `ModelError` where it does not fit."""
    try:
        adaptation.apply(empty.requires_grad_(requires_grad=False), np.random.default_rng(0))
    except ModelError as error:
        # Some of PEFT's kinds derive their first values from the weights, which are not there.
        if not isinstance(error.__cause__, RuntimeError):
            raise


def load_base(config: AuditConfig, folder: Path, mode: str) -> Loaded:
    """Return the model that an adaptation is put on: in 4 bits for qlora, else as it is in the folder."""
    load = load_quantized_noted if mode == "qlora" else load_noted
    return load(folder, config.model.dtype, config.model.device)


def build_settings(config: AuditConfig, mode: str, end_ids: tuple[int, ...] = ()) -> LearnerSettings:
    """Return how the model is run under an adaptation; `end_ids` end answers, for models that are to write."""
    training = config.training
    optimizer = OptimizerSettings(
        config.learning_rate(mode), training.schedule, training.warmup_share, training.weight_decay, training.grad_clip
    )
    kept_bytes = training.single_pass_megabytes * 2**20
    return LearnerSettings(
        optimizer,
        training.micro_batch_tokens,
        config.evaluation.batch_tokens,
        kept_bytes,
        end_ids,
        training.gradient_checkpointing,
    )


def build_language_model(config: AuditConfig, base: TextModel, mode: str, seed: int) -> CausalLM:
    """Return the model of an audit with an adaptation at step 0."""
    loaded = load_base(config, base.folder, mode)
    settings = build_settings(config, mode, base.end_ids)
    learner = CausalLM(loaded.model, base.model_hash, build_adaptation(config, mode), settings, seed)
    learner.notes = (*loaded.notes, *learner.notes)
    return learner
