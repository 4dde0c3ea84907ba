"""From a configuration to a learner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError
from farsighted.learners.adapters import Adaptation, Full, Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import named_peft
from farsighted.learners.transitions import MergeAndReinit, Stack, Transition
from farsighted.models.loading import LanguageModel, load_model, load_quantized

_TRANSITIONS: Final[Mapping[str, Transition]] = {"merge_and_reinit": MergeAndReinit(), "stack": Stack()}
_VARIANTS: Final[Mapping[str, Mapping[str, bool | str]]] = {
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
}
"""Settings of PEFT's LoRA that go by a name of their own; rank, scale, dropout and targets come from `lora`."""


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
    settings = config.peft.get(mode, {})
    if mode in _VARIANTS and "peft_type" not in settings:
        targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
        shape = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "target_modules": targets}
        settings = {"peft_type": "lora", **shape, **_VARIANTS[mode], **settings}
    return named_peft(mode, settings, train_head)


def load_base(config: AuditConfig, folder: Path, mode: str) -> LanguageModel:
    """Return the model that an adaptation is put on: in 4 bits for qlora, else as it is in the folder."""
    load = load_quantized if mode == "qlora" else load_model
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
    lm = load_base(config, base.folder, mode)
    return CausalLM(
        lm, base.model_hash, build_adaptation(config, mode), build_settings(config, mode, base.end_ids), seed
    )
