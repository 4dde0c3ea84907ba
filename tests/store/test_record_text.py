import json
import math

import pytest

from farsighted.core.errors import StorageError
from farsighted.store.layout import SCHEMA
from farsighted.store.record_files import CELL, CHECKPOINT, PLAN, RESULTS
from farsighted.store.record_text import read_record, record_of, text_of
from oracles.whole_records import cell_record, plan_record, progress_record

CHECKPOINT_RECORD = {"schema": SCHEMA, "stage": 1, "round": 2, "meta": progress_record()}


def refusal(file, value, path):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    with pytest.raises(StorageError) as caught:
        read_record(file, path)
    said = str(caught.value)
    assert said.startswith(f"'{path}' ")
    assert said.count(". ") == 0, "one sentence"
    assert said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("file", "record"),
    [(PLAN, plan_record([{}])), (CELL, cell_record()), (CHECKPOINT, CHECKPOINT_RECORD)],
    ids=["plan", "cell", "checkpoint"],
)
def test_a_record_comes_back_with_its_keys_in_their_order(tmp_path, file, record):
    (tmp_path / file.name).write_text(text_of(file, record))
    found = read_record(file, tmp_path / file.name)
    assert json.dumps(found) == json.dumps(record)


@pytest.mark.parametrize("file", [PLAN, CELL, CHECKPOINT], ids=lambda file: file.name)
def test_a_newer_schema_is_refused_before_its_keys_are_looked_at(tmp_path, file):
    said = refusal(file, {"schema": 99}, tmp_path / file.name)
    assert f"must have `schema` {SCHEMA}, but has 99, of a newer version: update farsighted" in said


def test_a_newer_plan_says_which_version_reads_it(tmp_path):
    assert "or read it with farsighted 9.1." in refusal(PLAN, {"schema": 2, "farsighted": "9.1"}, tmp_path / "a")


def test_an_older_schema_says_which_version_reads_it_and_what_else_can_be_done(tmp_path):
    said = refusal(PLAN, {"schema": 0, "farsighted": "0.0.3"}, tmp_path / "a")
    assert "but has 0, of an older version: read it with farsighted 0.0.3, or name the folder" in said
    assert "read it with the version that wrote it, or delete" in refusal(CELL, {"schema": 0}, tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seed": "one"}, 'must hold a whole number under `seed`, but holds "one"'),
        ({"seed": 1.5}, "must hold a whole number under `seed`, but holds 1.5"),
        ({"reference": 0}, "must hold true or false under `reference`, but holds 0"),
        ({"status": "over"}, "must hold 'done' or 'diverged' under `status`, but holds \"over\""),
        ({"per_stage": [{}]}, "must have the key `per_stage[0]."),
        ({"schema": "1"}, 'must hold 1 under `schema`, but holds "1"'),
        ({"evaluation": {"math": 3}}, "must hold an object under `evaluation.math`, but holds 3"),
        ({"example_ids": ["x" * 100, 1]}, "must hold a text under `example_ids[1]`, but holds 1"),
        ({"stages": "x" * 100}, 'must hold a list under `stages`, but holds "xxxxx'),
    ],
)
def test_what_does_not_fit_is_named_with_what_is_there_and_what_to_do(tmp_path, changes, what):
    said = refusal(CELL, cell_record(**changes), tmp_path / "cell.json")
    assert what in said
    assert said.endswith("delete the folder that holds it and run the audit again, which runs only this cell anew.")
    assert len(said) < len(str(tmp_path)) + 250


def test_a_missing_key_is_named(tmp_path):
    record = cell_record()
    del record["schema"]
    assert "must have the key `schema`, but has not" in refusal(CELL, record, tmp_path / "cell.json")


@pytest.mark.parametrize("text", ["{", "[1]", '{"schema": 1, "title": NaN}', '{"schema": Infinity}', "\x80"])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    refusal(PLAN, text, tmp_path / "audit.json")


def test_a_number_too_large_for_a_float_is_refused(tmp_path):
    text = json.dumps(cell_record(probe_seconds=0.125)).replace("0.125", "1e999")
    assert "must hold a finite number under `probe_seconds`" in refusal(CELL, text, tmp_path / "cell.json")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        StorageError, match=r"audit\.json' cannot be read \(No such file or directory\): name the folder"
    ):
        read_record(PLAN, tmp_path / "audit.json")


def test_a_key_that_no_type_names_is_kept(tmp_path):
    record = cell_record(mine={"deep": [1]})
    assert record_of(CELL, json.dumps(record), tmp_path) == record


def test_nan_and_what_does_not_fit_are_not_written():
    with pytest.raises(ValueError, match="JSON"):
        text_of(CELL, cell_record(probe_seconds=math.nan))
    with pytest.raises(ValueError, match="seed"):
        text_of(CELL, cell_record(seed="one"))


def test_results_of_the_version_before_are_refused_with_the_way_to_new_ones(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"schema": 1, "farsighted": "0.1.0", "summary": []}))
    with pytest.raises(StorageError, match="must have `schema` 2, but has 1, of an older version") as refused:
        read_record(RESULTS, path)
    assert "make it again with `farsighted report`" in str(refused.value)
