import pytest

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config, preset_names


def config(path="tiny", **options):
    return AuditConfig.model_validate({"suite": {"name": "skills"}, "model": {"path": path}, **options})


@pytest.mark.parametrize(
    ("mode", "shipped", "pre_trained"),
    [
        ("lora", 2e-3, 2e-4),
        ("qlora", 2e-3, 2e-4),
        ("dora", 2e-3, 2e-4),
        ("full", 2e-3, 1e-5),
        ("bottleneck", 2e-3, 3e-4),
        ("ia3", 2e-3, 3e-3),
        ("loha", 2e-3, 2e-4),
        ("prompt_tuning", 1e-2, 1e-2),
        ("p_tuning", 1e-3, 1e-3),
        ("prefix_tuning", 1e-3, 1e-3),
        ("p_tuning_v2", 1e-2, 1e-2),
    ],
)
def test_the_default_follows_the_model_and_the_adaptation(mode, shipped, pre_trained):
    assert config().learning_rate(mode) == shipped
    assert config("models/mine").learning_rate(mode) == pre_trained
    assert config("owner/name").learning_rate(mode) == pre_trained


def test_an_entry_of_peft_has_the_default_of_its_kind():
    found = config("owner/name", peft={"mine": {"peft_type": "prompt_tuning"}, "plain": {"peft_type": "prefix_tuning"}})
    assert (found.learning_rate("mine"), found.learning_rate("plain")) == (1e-2, 1e-2)


def test_a_stated_rate_is_that_of_every_adaptation():
    found = config("owner/name", training={"learning_rate": 0.5})
    assert {found.learning_rate(mode) for mode in ("lora", "full", "prompt_tuning")} == {0.5}
    assert found.peak_rate("lora").origin == "`training.learning_rate`"


def test_the_factor_of_full_training_is_on_the_rate_of_lora_stated_or_not():
    factor = {"full": {"learning_rate_factor": 0.25}}
    assert config("owner/name", **factor).learning_rate("full") == pytest.approx(5e-5)
    assert config(training={"learning_rate": 0.5}, **factor).learning_rate("full") == 0.125
    assert config("owner/name", **factor).learning_rate("lora") == 2e-4


def test_every_default_says_where_it_comes_from():
    assert config().peak_rate("lora").origin == "the default of the model that ships with the package"
    assert "pre-trained model: Dettmers et al. 2023" in config("owner/name").peak_rate("lora").origin
    assert "Liu et al. 2022, P-tuning v2" in config("owner/name").peak_rate("p_tuning_v2").origin


def test_the_quadratic_world_has_the_rate_of_its_preset_at_every_rank():
    """A subspace of rank r shrinks curvature to r/d, so that the rate times the rank is what counts."""
    preset = load_config("quadratic")
    bare = AuditConfig.model_validate({"quadratic": {}, "lora": {"r": preset.lora.r}})
    for mode in ("lora", "full"):
        assert bare.learning_rate(mode) == preset.learning_rate(mode)


@pytest.mark.parametrize("name", preset_names())
def test_presets_of_the_shipped_model_train_at_its_rate(name):
    found = load_config(name, ["data_root=/data"] if name != "quadratic" else [])
    if found.model.path == "tiny" and found.quadratic is None:
        assert found.learning_rate("lora") == 2e-3
