"""From files, presets and mappings to a configuration."""

import subprocess
import sys
from pathlib import Path

import pytest

from farsighted.config import load
from farsighted.config.load import load_config, preset_names
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget


@pytest.fixture
def written(tmp_path):
    def write(text, name="audit.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def presets(tmp_path, monkeypatch):
    folder = tmp_path / "package" / "presets"
    folder.mkdir(parents=True)
    (folder / "quick.yaml").write_text("title: Quick\nsuite: {train: 50}\n")
    (folder / "notes.txt").write_text("no preset")
    monkeypatch.setattr(load.resources, "files", lambda _: tmp_path / "package")
    return folder


def refusal(source, *overrides):
    with pytest.raises(ConfigError) as caught:
        load_config(source, overrides)
    return str(caught.value)


def test_a_file_is_read_and_paths_start_from_its_folder(written):
    config = load_config(written("suite: {}\nbudgets: [10%]\n"))
    assert config.budgets == (Budget(0.1),)
    assert config.data_root == written("").parent.resolve()


def test_a_relative_data_root_starts_from_the_file_and_on_the_command_line_from_here(written, tmp_path, monkeypatch):
    path = written("suite: {}\ndata_root: inner\n")
    assert load_config(path).data_root == (tmp_path / "inner").resolve()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_config(path, ["data_root=mine"]).data_root == (tmp_path / "elsewhere" / "mine").resolve()


def test_a_mapping_is_a_source_and_a_resolved_configuration_loads_as_itself(written):
    config = load_config(written("suite: {}\nseeds: [4]\n"))
    assert load_config(config.model_dump(mode="json")) == config


def test_an_override_wins_over_the_file(written):
    config = load_config(written("suite: {}\nbudgets: [10%]\n"), ["budgets=5%", "seeds=[0,1]", "training.rounds=2"])
    assert (config.budgets, config.seeds, config.training.rounds) == ((Budget(0.05),), (0, 1), 2)


def test_an_error_names_key_file_line_and_remedy(written):
    found = refusal(written("suite: {}\ntitle: T\n\nbudgets: [25]\n"))
    assert found == (
        "`budgets[0]` must be a share in (0, 1] or a number with its unit, but is 25 (audit.yaml:4). Write 25% for a "
        "share, '25 tokens' or '25 examples' for a number."
    )


def test_an_unknown_key_is_told_with_its_line_and_the_nearest_key(written):
    found = refusal(written("suite: {}\ntraining:\n  batch_sise: 3\n"))
    assert found == "`training.batch_sise` must be a known key, but is none (audit.yaml:3). Did you mean 'batch_size'?"


def test_a_missing_key_is_told_with_the_line_of_its_stage(written):
    found = refusal(written("stages:\n  - name: a\n    train: x\n    validation: 3\n  - name: b\n    train: y\n"))
    assert found.startswith("`stages[1].validation` must be given, but is missing (audit.yaml:5). It is: Paths of")


def test_a_rule_over_several_keys_names_the_line_of_the_culprit(written):
    found = refusal(written("suite: {}\nstatistics:\n  resamples: 9\n  reference: nobody\n"))
    assert "`statistics.reference` must be the label of one of `selectors`, but is 'nobody' (audit.yaml:4)" in found


def test_an_error_of_an_override_is_placed_on_the_command_line(written):
    assert "(on the command line)" in refusal(written("suite: {}\nseeds: [1]\n"), "seeds=[-1]")
    assert "`trainign` must be a known key, but is none (on the command line). Did you mean 'training'?" in refusal(
        written("suite: {}\n"), "trainign.rounds=2"
    )


def test_the_suite_can_be_exchanged_for_files_on_the_command_line(written):
    config = load_config(written("suite: {}\n"), ["suite=null", "stages=[{name: a, train: x, validation: 3}]"])
    assert config.stages[0].name == "a"


def test_a_byte_order_mark_is_tolerated(written):
    assert load_config(written(b"\xef\xbb\xbfsuite: {}\n")).suite is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"suite: \xff{}\n", "must be UTF-8"), (b"", "is empty"), (b"suite: {\n", "audit.yaml:2 must be valid YAML")],
)
def test_a_file_that_is_no_configuration_is_refused(written, content, message):
    assert message in refusal(written(content))


def test_a_folder_is_no_configuration(tmp_path):
    assert "must be readable" in refusal(tmp_path)


def test_a_missing_file_is_answered_with_the_nearest_file(written, tmp_path):
    written("suite: {}\n", "audit.yaml")
    assert f"Did you mean '{tmp_path / 'audit.yaml'}'?" in refusal(str(tmp_path / "audti.yaml"))


def test_a_missing_file_in_a_missing_folder_is_refused():
    assert "must be a preset or a YAML file" in refusal("no/such/file.yaml")


def test_a_preset_is_known_by_its_name(presets):
    assert preset_names() == ("quick",)
    config = load_config("quick", ["title=Mine"])
    assert (config.title, config.suite.train, config.data_root) == ("Mine", 50, Path.cwd().resolve())


def test_a_misspelt_preset_is_answered_with_the_nearest_one(presets):
    assert "Did you mean 'quick'?" in refusal("quik")


def test_an_error_in_a_preset_names_the_preset(presets):
    (presets / "quick.yaml").write_text("title: T\nsuit: {}\n")
    assert "preset quick:2" in refusal("quick")


def test_without_presets_there_are_no_names(monkeypatch, tmp_path):
    monkeypatch.setattr(load.resources, "files", lambda _: tmp_path)
    assert preset_names() == ()
    assert "There is no YAML file in" in refusal(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_that_ships_loads(name):
    assert load_config(name).title


def test_configuration_starts_without_torch():
    code = (
        "import sys, farsighted.config.load; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
