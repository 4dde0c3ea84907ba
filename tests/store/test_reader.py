import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import StorageError
from farsighted.store.layout import Layout
from farsighted.store.reader import finished_cells, read_cell, refuse_other_versions
from oracles.whole_records import cell_record


def write_cell(root, name, marker=True):
    folder = root / "cells" / name
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(cell_record(id=name)))
    pq.write_table(pa.table({"item": ["a"], "score": [50.0]}), folder / "scores.parquet")
    pq.write_table(pa.table({"id": ["x"], "chosen": [True]}), folder / "selections.parquet")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    if marker:
        (folder / "DONE.json").write_text(json.dumps({"schema": 1, "files": files}))
    return folder


def test_only_folders_with_a_marker_are_finished_and_come_in_order_of_name(tmp_path):
    second, first = write_cell(tmp_path, "b"), write_cell(tmp_path, "a")
    write_cell(tmp_path, "c", marker=False)
    assert finished_cells(tmp_path) == [first, second]


def test_what_a_killed_writer_left_before_its_rename_is_not_finished(tmp_path):
    write_cell(tmp_path, ".a.x1")
    assert finished_cells(tmp_path) == []


def test_a_folder_without_cells_has_no_finished_ones(tmp_path):
    assert finished_cells(tmp_path) == []


def test_a_cell_reads_back_as_it_was_written(tmp_path):
    cell = read_cell(write_cell(tmp_path, "a"))
    assert cell.meta == cell_record(id="a")
    assert cell.scores.to_pylist() == [{"item": "a", "score": 50.0}]
    assert cell.selections.to_pylist() == [{"id": "x", "chosen": True}]


def test_a_folder_of_this_version_may_be_gone_on_with_whatever_the_old_plan_lacks(tmp_path):
    write_cell(tmp_path, "a")
    (tmp_path / "audit.json").write_text('{"schema": 1}')
    refuse_other_versions(Layout(tmp_path), ["a", "not run yet"])


def test_a_folder_with_a_newer_plan_or_a_newer_cell_of_the_grid_may_not(tmp_path):
    newer = write_cell(tmp_path, "a") / "cell.json"
    newer.write_text(json.dumps(cell_record(schema=99)))
    refuse_other_versions(Layout(tmp_path), ["another grid's cell counts not"])
    with pytest.raises(StorageError, match=r"cell\.json' must have `schema` 1, but has 99"):
        refuse_other_versions(Layout(tmp_path), ["a"])
    (tmp_path / "audit.json").write_text('{"schema": 99}')
    with pytest.raises(StorageError, match=r"audit\.json' must have `schema` 1, but has 99"):
        refuse_other_versions(Layout(tmp_path), [])


@pytest.mark.parametrize("name", ["cell.json", "scores.parquet", "selections.parquet"])
def test_one_altered_byte_names_the_file_and_what_to_do(tmp_path, name):
    path = write_cell(tmp_path, "a") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match=rf"{name}.*SHA-256.*Delete the folder .*cells.a and run the audit again"):
        finished_cells(tmp_path)


def test_a_file_that_is_gone_names_itself(tmp_path):
    (write_cell(tmp_path, "a") / "scores.parquet").unlink()
    with pytest.raises(StorageError, match=r"scores\.parquet of a finished cell is not there"):
        finished_cells(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}'])
def test_a_marker_that_says_nothing_is_damage(tmp_path, text):
    (write_cell(tmp_path, "a") / "DONE.json").write_text(text)
    with pytest.raises(StorageError, match=r"DONE\.json"):
        finished_cells(tmp_path)


@pytest.mark.parametrize("name", ["cell.json", "scores.parquet"])
def test_a_file_that_cannot_be_parsed_is_damage(tmp_path, name):
    folder = write_cell(tmp_path, "a")
    (folder / name).write_text("garbage")
    with pytest.raises(StorageError, match="cannot be read"):
        read_cell(folder)
