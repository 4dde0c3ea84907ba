import pytest

from farsighted.config.aliases import ALIASES
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError

SUITE = {"suite": {"name": "skills"}}


def test_keys_of_other_trainers_mean_ours():
    config = load_config(
        SUITE
        | {
            "base_model": "m",
            "torch_dtype": "bfloat16",
            "cutoff_len": 99,
            "lora_r": 4,
            "lora_alpha": 9,
            "lora_target": ["q_proj"],
            "micro_batch_size": 3,
            "learning_rate": 0.5,
            "lr_scheduler_type": "linear",
            "seed": 7,
        }
    )
    assert (config.model.path, config.model.dtype, config.model.context) == ("m", "bfloat16", 99)
    assert (config.lora.r, config.lora.alpha, config.lora.targets) == (4, 9, ("q_proj",))
    assert (config.training.batch_size, config.training.learning_rate, config.training.schedule) == (3, 0.5, "linear")
    assert config.seeds == (7,)


def test_they_go_beside_ours():
    config = load_config(SUITE | {"lora": {"r": 4}, "lora_alpha": 9})
    assert (config.lora.r, config.lora.alpha) == (4, 9)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"lora": {"r": 4}, "lora_r": 5}, "`lora.r` must be given once, but `lora_r: 5` gives it again"),
        ({"lora_r": 4, "lora_rank": 5}, "`lora.r` must be given once"),
        ({"seeds": [1], "seed": 5}, "`seeds` must be given once"),
        ({"num_train_epochs": 3}, "cut by `budgets`; remove the key"),
        ({"packing": True}, "Packing would blur which example was selected"),
        ({"bf16": True}, "Write `model: {dtype: bfloat16}` instead"),
        ({"lora_r": 0}, "`lora.r` must be at least 1"),
    ],
)
def test_what_does_not_fit_says_so(more, message):
    with pytest.raises(ConfigError, match=message):
        load_config(SUITE | more)


def test_a_mistake_is_told_with_the_line_it_was_written_on(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("suite: {name: skills}\nlora_rank: none\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2"):
        load_config(path)


def test_every_alias_leads_to_a_key_that_is_there():
    dumped = load_config(SUITE).model_dump()
    for path in ALIASES.values():
        inner = dumped[path[0]]
        assert len(path) == 1 or path[1] in inner
