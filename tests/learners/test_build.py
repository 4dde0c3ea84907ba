import pytest

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.adapters import Full, Lora
from farsighted.learners.bottleneck import BottleneckAdapters, BottleneckSettings
from farsighted.learners.build import build_adaptation, build_settings, check_adaptations
from farsighted.learners.causal_lm import LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.peft_by_name import NamedPeft
from farsighted.learners.transitions import MergeAndReinit, Stack
from farsighted.learners.virtual_tokens import VirtualTokens
from farsighted.models.folder import model_folder

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


def test_prompt_learning_goes_by_the_names_of_the_papers():
    config = changed(peft={"p_tuning": {"num_virtual_tokens": 5}})
    projected, plain = {"prefix_projection": True}, {"prefix_projection": False}
    assert build_adaptation(config, "prefix_tuning") == VirtualTokens("prefix_tuning", "prefix_tuning", projected)
    assert build_adaptation(config, "p_tuning_v2") == VirtualTokens("p_tuning_v2", "prefix_tuning", plain)
    assert build_adaptation(config, "p_tuning") == VirtualTokens("p_tuning", "p_tuning", {"num_virtual_tokens": 5})
    assert build_adaptation(config, "bottleneck") == BottleneckAdapters()


def test_bottleneck_adapters_have_the_settings_of_their_entry():
    config = changed(peft={"mine": {"peft_type": "bottleneck", "size": 8, "after": ["feed_forward"]}})
    wanted = BottleneckSettings(size=8, after=("feed_forward",))
    assert build_adaptation(config, "mine") == BottleneckAdapters("mine", wanted)


@pytest.mark.parametrize("mode", ["prefix_tuning", "p_tuning_v2"])
def test_a_prefix_is_refused_where_layers_are_computed_again(mode):
    with pytest.raises(ConfigError, match=r"`training.gradient_checkpointing: false`, or use prompt_tuning"):
        build_adaptation(changed(training={"gradient_checkpointing": True}), mode)


@pytest.mark.parametrize("mode", ["prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2", "bottleneck"])
@pytest.mark.parametrize("transition", ["merge_and_reinit", "stack"])
def test_only_lora_is_folded_between_stages(mode, transition):
    with pytest.raises(ConfigError, match=f"is for lora, but `adaptations` has '{mode}'. Write continue"):
        build_adaptation(changed(training={"stage_transition": transition}), mode)


KINDS = ("prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2", "bottleneck", "dora", "pissa", "ia3", "loha")


def test_what_can_be_trained_passes_a_check_without_values():
    check_adaptations(changed(adaptations=KINDS), model_folder("tiny"))


@pytest.mark.parametrize(
    ("mode", "entry", "sentence"),
    [
        ("adaption_prompt", {"adapter_len": 4, "adapter_layers": 1}, "does not support prompt learning"),
        ("vera", {}, "uses shared state"),
        ("dora", {"rank": 3}, "unexpected keyword argument 'rank'"),
        ("loha", {"target_modules": ["c_attn"]}, "c_attn.* not found"),
        ("mine", {"peft_type": "bottleneck", "after": ["c_attn"]}, "known as 'c_attn'"),
        ("p_tuning", {"token_dim": 7, "encoder_reparameterization_type": "MPL"}, "encoder type not recognized"),
    ],
)
def test_what_the_first_cell_would_refuse_is_refused_by_the_check(mode, entry, sentence):
    with pytest.raises(ModelError, match=sentence):
        check_adaptations(changed(adaptations=[mode], peft={mode: entry}), model_folder("tiny"))


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
