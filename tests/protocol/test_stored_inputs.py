import dataclasses
import json
import subprocess
import sys

import pytest

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.core.errors import StorageError
from farsighted.protocol import inputs
from farsighted.protocol.inputs import load_inputs
from farsighted.protocol.stored_inputs import find_inputs, open_inputs, share_inputs
from farsighted.store import atomic
from farsighted.store.layout import MARKER
from farsighted.store.token_table import TokenTable
from oracles.micro import micro_config, nano_config
from oracles.mixed import mixed_config


def shared(config, folder):
    return share_inputs(config, find_inputs(config, folder), folder)


def folders(folder):
    return sorted(entry.name for entry in folder.iterdir())


CONFIGS = {
    "suite": lambda folder: load_config(micro_config()),
    "files": lambda folder: load_config(nano_config(folder)),
    "mixed": mixed_config,
}


@pytest.mark.parametrize("made", CONFIGS.values(), ids=CONFIGS)
def test_mapped_inputs_equal_those_that_were_read(tmp_path, made):
    config = made(tmp_path)
    read, mapped = load_inputs(config), shared(config, tmp_path / "inputs")
    assert mapped == read
    assert (mapped.fingerprints, mapped.key) == (read.fingerprints, read.key)
    assert mapped.stored == tmp_path / "inputs" / read.key
    pools = [stage.pool.tokens for stage in mapped.stages.values()]
    assert all(isinstance(tokens, TokenTable) for tokens in pools)


def test_what_the_model_writes_is_asked_for_and_read_as_before(tmp_path):
    config = mixed_config(tmp_path)
    read, mapped = load_inputs(config), shared(config, tmp_path / "inputs")
    (before,), (after,) = read.stages["quiz"].ood, mapped.stages["quiz"].ood
    assert before.generation is not None
    assert after.generation == before.generation
    ids = after.generation.prompts[0]
    assert after.generation.decode(ids) == before.generation.decode(ids)
    assert mapped.decode(ids) == read.decode(ids)
    assert after.thinned(2) == before.thinned(2)
    assert mapped.stages["quiz"].validation.options[1:3] == read.stages["quiz"].validation.options[1:3]


def test_a_task_of_the_harness_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "require_harness", lambda: None)
    config = mixed_config(tmp_path)
    stage = config.stages[1].model_copy(update={"ood": {"task": ("lm_eval:piqa:acc_norm,none",)}})
    config = config.model_copy(update={"stages": (config.stages[0], stage)})
    (read,), (mapped,) = (
        found.stages["sums2"].ood for found in (load_inputs(config), shared(config, tmp_path / "inputs"))
    )
    assert mapped == read
    assert (mapped.task.metric, mapped.task.model_folder) == ("acc_norm", read.task.model_folder)


def test_cells_do_not_depend_on_where_inputs_are(tmp_path):
    config = mixed_config(tmp_path)
    assert prepare(config, tmp_path / "out").cells == prepare(config).cells


def test_a_second_command_tokenises_nothing(tmp_path, monkeypatch):
    config = mixed_config(tmp_path)
    first = shared(config, tmp_path / "inputs")
    monkeypatch.setattr("farsighted.models.tokenizer.Tokenizer.from_file", lambda file: pytest.fail("read again"))
    assert find_inputs(config, tmp_path / "inputs") == first


def test_another_process_finds_them_under_the_same_key(tmp_path):
    config = mixed_config(tmp_path)
    key = shared(config, tmp_path / "inputs").key
    (tmp_path / "config.json").write_text(config.model_dump_json())
    script = (
        "import json, sys; from pathlib import Path\n"
        "from farsighted.config.load import load_config\n"
        "from farsighted.protocol.stored_inputs import find_inputs\n"
        "config = load_config(json.loads(Path(sys.argv[1], 'config.json').read_text()))\n"
        "print(find_inputs(config, Path(sys.argv[1], 'inputs')).stored.name)"
    )
    found = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == key


def damaged(folder, name, how):
    path = folder / name
    if how == "gone":
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["gone", "altered"])
@pytest.mark.parametrize("name", ["0-pool.arrow", "0-ood-0-prompts.arrow", "inputs.json"])
def test_damaged_inputs_are_refused_by_a_worker_and_made_again_by_the_parent(tmp_path, caplog, name, how):
    config = mixed_config(tmp_path)
    stored = shared(config, tmp_path / "inputs").stored
    damaged(stored, name, how)
    with pytest.raises(StorageError, match=f"must hold what its {MARKER} states, but .*{name}"):
        open_inputs(config, stored)
    again = shared(config, tmp_path / "inputs")
    assert "They are read and tokenised again." in caplog.text
    assert again == load_inputs(config)
    assert open_inputs(config, stored) == again


def test_inputs_that_another_version_wrote_are_made_again(tmp_path, caplog):
    config = mixed_config(tmp_path)
    stored = shared(config, tmp_path / "inputs").stored
    record = json.loads((stored / "inputs.json").read_text())
    del record["end_ids"]
    files = {file.name: file.read_bytes() for file in stored.iterdir() if file.name != MARKER}
    atomic.write_folder(stored, files | {"inputs.json": json.dumps(record).encode()})
    assert shared(config, tmp_path / "inputs") == load_inputs(config)
    assert "end_ids" in caplog.text


def test_a_killed_writer_leaves_nothing_that_counts(tmp_path, monkeypatch):
    config = mixed_config(tmp_path)

    def break_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("farsighted.store.atomic._rename_folder", break_off)
        with pytest.raises(KeyboardInterrupt):
            shared(config, tmp_path / "inputs")
    assert folders(tmp_path / "inputs") == []
    assert shared(config, tmp_path / "inputs") == load_inputs(config)


def test_what_is_mapped_survives_that_its_folder_is_deleted(tmp_path):
    config = mixed_config(tmp_path)
    mapped, read = shared(config, tmp_path / "inputs"), load_inputs(config)
    for file in mapped.stored.iterdir():
        file.unlink()
    assert mapped == read


def test_a_quadratic_world_is_built_where_it_is_used(tmp_path):
    config = load_config("quadratic", ["quadratic.train=20", "quadratic.validation=5"])
    found = shared(config, tmp_path / "inputs")
    assert (found.stored, (tmp_path / "inputs").exists()) == (None, False)


def test_a_refused_audit_leaves_nothing_behind(tmp_path):
    config = mixed_config(tmp_path, budgets=["9999 tokens"])
    with pytest.raises(Exception, match="larger than the pool"):
        prepare(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_planning_writes_nothing(tmp_path):
    config = nano_config(tmp_path)
    before = folders(tmp_path)
    prepare(load_config(config))
    assert folders(tmp_path) == before


def test_tables_that_are_mapped_already_are_not_written_again(tmp_path):
    config = mixed_config(tmp_path)
    mapped = shared(config, tmp_path / "inputs")
    assert share_inputs(config, mapped, tmp_path / "elsewhere") is mapped
    assert not (tmp_path / "elsewhere").exists()
    assert dataclasses.replace(mapped, stored=None) == mapped
