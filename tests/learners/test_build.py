import pytest

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.build import build_adaptation, build_settings
from farsighted.learners.causal_lm import LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import NamedPeft
from farsighted.learners.transitions import MergeAndReinit, Stack

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


def changed(**options):
    return AuditConfig.model_validate({"suite": {"name": "skills"}, **options})


@pytest.mark.parametrize(
    ("asked", "transition"), [("continue", None), ("merge_and_reinit", MergeAndReinit()), ("stack", Stack())]
)
def test_the_transition_between_stages_is_that_of_lora_and_nothing_to_full(asked, transition):
    config = changed(training={"stage_transition": asked})
    assert build_adaptation(config, "lora").transition == transition
    assert build_adaptation(config, "full").transition is None


def test_variants_of_lora_take_their_shape_from_its_section():
    config = changed(lora={"r": 3, "alpha": 5.0, "targets": ["q_proj"]})
    shape = {"r": 3, "lora_alpha": 5.0, "lora_dropout": 0.0, "target_modules": ["q_proj"]}
    assert build_adaptation(config, "dora") == NamedPeft("dora", "LORA", {**shape, "use_dora": True})
    assert build_adaptation(config, "rslora") == NamedPeft("rslora", "LORA", {**shape, "use_rslora": True})


def test_a_named_adaptation_has_the_settings_of_its_entry():
    config = changed(peft={"mine": {"peft_type": "loha", "r": 4}})
    assert build_adaptation(config, "mine") == NamedPeft("mine", "LOHA", {"r": 4})
    assert build_adaptation(config, "ia3") == NamedPeft("ia3", "IA3", {})


def test_transitions_that_an_adaptation_cannot_make_are_refused():
    with pytest.raises(ConfigError, match=r"those of qlora have 4 bits.*Write stack or continue"):
        build_adaptation(changed(training={"stage_transition": "merge_and_reinit"}), "qlora")
    with pytest.raises(ConfigError, match=r"is for lora, but `adaptations` has 'ia3'\. Write continue"):
        build_adaptation(changed(training={"stage_transition": "stack"}), "ia3")


def test_every_setting_reaches_the_optimizer_and_the_passes():
    assert build_settings(CONFIG, "lora") == LearnerSettings(
        OptimizerSettings(0.5, "linear", 0.75, 0.125, 2.0), 77, 99, 5 * 2**20
    )


def test_full_training_may_have_a_learning_rate_of_its_own():
    config = changed(full={"learning_rate_factor": 0.25}, training={"learning_rate": 0.5})
    rates = [build_settings(config, mode).optimizer.learning_rate for mode in ("lora", "full", "ia3")]
    assert rates == [0.5, 0.125, 0.5]
    same = changed(training={"learning_rate": 0.5})
    assert build_settings(same, "full").optimizer.learning_rate == 0.5


def test_the_defaults_of_the_configuration_are_those_of_the_adapter():
    assert build_adaptation(AuditConfig.model_validate({"suite": {"name": "skills"}}), "lora") == Lora()
