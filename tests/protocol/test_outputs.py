"""An audit's folder is never where its data are read from."""

import pytest

from farsighted.api import audit, prepare
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.protocol.outputs import refuse_output
from oracles.cli import run_cli
from oracles.micro import nano_config
from oracles.tiny_folder import save_tiny


def config_of(folder, train):
    made = nano_config(folder)
    made["stages"][0]["train"] = train
    return made


@pytest.mark.parametrize("train", ["*.train.jsonl", ".", "**/*.jsonl"])
def test_a_folder_that_the_pool_leads_into_is_refused_and_left_alone(tmp_path, train):
    made = config_of(tmp_path, train)
    for out in [tmp_path] if train == "*.train.jsonl" else [tmp_path, tmp_path / "run"]:
        with pytest.raises(ConfigError, match=f"read as the pool of {made['stages'][0]['name']}"):
            audit(made, out)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "audit.json").exists()
    refuse_output(load_config(made), tmp_path.parent / "elsewhere")


def test_what_an_earlier_run_set_aside_is_not_read_where_it_would_be_replaced(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(ConfigError, match=r"bad_rows\.jsonl' is written, but 'run/bad_rows\.jsonl' in it is read"):
        prepare(load_config(config_of(tmp_path, "run/bad_rows.jsonl")), tmp_path / "run")


def test_the_folder_of_the_model_is_no_folder_of_an_audit(tmp_path):
    made = nano_config(tmp_path, model={"path": str(save_tiny(tmp_path / "model"))})
    with pytest.raises(ConfigError, match="into the folder of the model"):
        prepare(load_config(made), tmp_path / "model" / "run")


def test_plan_says_so_too(tmp_path):
    import yaml

    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config_of(tmp_path, ".")))
    said = run_cli("plan", tmp_path / "audit.yaml", "-o", tmp_path / "run")
    assert said.code == 2
    assert "its files would be read the next time" in said.err
