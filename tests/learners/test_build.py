from farsighted.config.audit import AuditConfig
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.build import build_adaptation, build_settings
from farsighted.learners.causal_lm import LearnerSettings
from farsighted.learners.optim import OptimizerSettings

CONFIG = AuditConfig.model_validate(
    {
        "suite": {"name": "skills"},
        "lora": {"r": 3, "alpha": 7.0, "dropout": 0.25, "targets": ["q_proj"]},
        "training": {
            "learning_rate": 0.5,
            "schedule": "linear",
            "warmup_share": 0.75,
            "weight_decay": 0.125,
            "grad_clip": 2.0,
            "micro_batch_tokens": 77,
            "single_pass_megabytes": 5,
            "train_head": True,
        },
        "evaluation": {"batch_tokens": 99},
    }
)


def test_every_setting_reaches_the_adapter():
    assert build_adaptation(CONFIG, "lora") == Lora(3, 7.0, 0.25, ("q_proj",), train_head=True)
    assert build_adaptation(CONFIG, "full") == Full(train_head=True)


def test_every_setting_reaches_the_optimizer_and_the_passes():
    assert build_settings(CONFIG) == LearnerSettings(
        OptimizerSettings(0.5, "linear", 0.75, 0.125, 2.0), 77, 99, 5 * 2**20
    )


def test_the_defaults_of_the_configuration_are_those_of_the_adapter():
    assert build_adaptation(AuditConfig.model_validate({"suite": {"name": "skills"}}), "lora") == Lora()
