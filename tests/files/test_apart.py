import os
from pathlib import Path

import pytest

from farsighted.core.errors import ConfigError
from farsighted.files.apart import Inputs, reads, refuse_folder_in_inputs, refuse_onto_inputs
from farsighted.files.readers import find_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two files of data, one of history, a model."""
    for name in ("data/a.jsonl", "data/deep/b.jsonl", "data/.hidden/c.jsonl", "past.jsonl", "model/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inputs(folder, *data):
    return Inputs(folder, {"the data": data, "the history": ("past.jsonl",)}, {"the model": folder / "model"})


@pytest.mark.parametrize(
    "target", ["data/a.jsonl", "data/../data/a.jsonl", "past.jsonl", "link.jsonl", "twin.jsonl", "other/a.jsonl"]
)
@pytest.mark.parametrize("data", ["data/a.jsonl", "data/*.jsonl", "data"])
def test_a_file_that_is_read_is_never_a_target_by_whatever_name(folder, data, target):
    (folder / "link.jsonl").symlink_to(folder / "data" / "a.jsonl")
    os.link(folder / "data" / "a.jsonl", folder / "twin.jsonl")
    (folder / "other").symlink_to(folder / "data")
    with pytest.raises(ConfigError, match=r"must not be written: .*Give another file with `--out`"):
        refuse_onto_inputs([Path(target)], inputs(folder, data))


@pytest.mark.parametrize(
    ("data", "target"),
    [
        ("data/*.jsonl", "data/picked.jsonl"),
        ("data", "data/picked.jsonl"),
        ("data", "data/new/picked.jsonl"),
        (".", "picked.parquet"),
        ("*", "picked.jsonl"),
        ("**/*.jsonl", "out/picked.jsonl"),
        ("data/**/*", "data/x/picked.jsonl"),
        ("d?ta/[a-z]*.jsonl", "data/picked.jsonl"),
        ("data/*.jsonl", "linked/picked.jsonl"),
        ("linked/*.jsonl", "data/picked.jsonl"),
        ("data/*/*.parquet", "data/deep/picked.parquet"),
    ],
)
def test_a_file_that_is_not_there_yet_is_refused_where_the_next_call_would_read_it(folder, data, target):
    """What is said of it agrees with what is found once it is there."""
    (folder / "linked").symlink_to(folder / "data")
    with pytest.raises(ConfigError, match="so the next call would read it"):
        refuse_onto_inputs([folder / target], inputs(folder, data))
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    (folder / target).write_text("")
    assert (folder / target).resolve() in {file.resolve() for file in find_files(data, folder)}


@pytest.mark.parametrize(
    ("data", "target"),
    [
        ("data/a.jsonl", "data/picked.jsonl"),
        ("data/*.jsonl", "data/deep/picked.jsonl"),
        ("data/*.jsonl", "data/picked.parquet"),
        ("data/a*.jsonl", "data/picked.jsonl"),
        ("data", "picked.jsonl"),
        ("data", "data/.out/picked.jsonl"),
        ("data", "database/picked.jsonl"),
        ("data/deep", "data/picked.jsonl"),
    ],
)
def test_where_nothing_reads_anything_may_be_written(folder, data, target):
    refuse_onto_inputs([folder / target], inputs(folder, data))
    # A rerun finds its own output.
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    (folder / target).write_text("")
    refuse_onto_inputs([folder / target], inputs(folder, data))


def test_nothing_is_written_into_the_folder_of_a_model(folder):
    with pytest.raises(ConfigError, match="it is in the folder of the model"):
        refuse_onto_inputs([Path("model/picked.jsonl")], inputs(folder, "data"))
    with pytest.raises(ConfigError, match="into the folder of the model"):
        refuse_folder_in_inputs(Path("model/run"), (), inputs(folder, "data/a.jsonl"))


@pytest.mark.parametrize(
    ("data", "out"),
    [("data", "data/run"), ("data", "data"), (".", "runs/x"), ("**/*.parquet", "runs/x"), ("data/*.jsonl", "data")],
)
def test_a_folder_whose_files_would_be_read_is_refused(folder, data, out):
    with pytest.raises(ConfigError, match=r"its files would be read the next time.*Give another folder with `--out`"):
        refuse_folder_in_inputs(folder / out, ("results.json",), inputs(folder, data))


@pytest.mark.parametrize(
    ("data", "out"),
    [("data", "runs/x"), ("data/*.jsonl", "data/run"), ("data/a.jsonl", "data"), ("data", "data/.run")],
)
def test_a_folder_that_nothing_reads_is_fine(folder, data, out):
    refuse_folder_in_inputs(folder / out, ("results.json",), inputs(folder, data))


def test_a_file_that_a_run_writes_over_is_no_input_of_it(folder):
    with pytest.raises(ConfigError, match=r"bad_rows\.jsonl' is written, but 'run/bad_rows\.jsonl' in it is read"):
        refuse_folder_in_inputs(Path("run"), ("bad_rows.jsonl",), inputs(folder, "run/bad_rows.jsonl"))


def test_only_files_of_a_kind_that_is_read_are_read(folder):
    assert reads("data", folder, folder / "data" / "x.csv")
    assert not reads("data", folder, folder / "data" / "x.txt")
