"""From a configuration to a learner."""

from farsighted.config.audit import AuditConfig
from farsighted.learners.adapters import Adaptation, Full, Lora
from farsighted.learners.causal_lm import LearnerSettings
from farsighted.learners.optim import OptimizerSettings


def build_adaptation(config: AuditConfig, mode: str) -> Adaptation:
    """Return the adaptation of a cell."""
    if mode == "full":
        return Full(config.training.train_head)
    lora = config.lora
    return Lora(lora.r, lora.alpha, lora.dropout, lora.targets, config.training.train_head)


def build_settings(config: AuditConfig, end_id: int | None = None) -> LearnerSettings:
    """Return how the model is run; `end_id` is the end token's id, for models that are to write."""
    training = config.training
    optimizer = OptimizerSettings(
        training.learning_rate, training.schedule, training.warmup_share, training.weight_decay, training.grad_clip
    )
    kept_bytes = training.single_pass_megabytes * 2**20
    return LearnerSettings(
        optimizer,
        training.micro_batch_tokens,
        config.evaluation.batch_tokens,
        kept_bytes,
        end_id,
        training.gradient_checkpointing,
    )
