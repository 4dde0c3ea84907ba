import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

from farsighted.core.errors import StorageError
from farsighted.store import atomic
from farsighted.store.layout import MARKER, Layout
from farsighted.store.reader import finished_cells, read_cell
from farsighted.store.schema import SCORES
from farsighted.store.writer import Checkpoint, read_checkpoint, write_cell, write_checkpoint
from oracles.killed_writer import kill_while_writing
from oracles.whole_records import cell_record, progress_record

SCORES_TABLE = pa.table({"item": ["a"], "score": [50.0]})
ARRAYS = {
    "parameters/w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "optimizer/schedule": np.array(7, dtype=np.int64),
    "optimizer/step": np.array(3.0, dtype=np.float32),
    "sample/sketches": np.empty((0, 0), dtype=np.float32),
    "state/seen": np.array([True, False]),
    "state/transposed": np.arange(6.0).reshape(2, 3).T,
}
CHECKPOINT = Checkpoint(1, 2, progress_record(probe_seconds=0.1), ARRAYS, SCORES_TABLE, pa.table({}))


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_a_checkpoint_comes_back_bit_for_bit(layout):
    write_checkpoint(layout, "x", CHECKPOINT)
    found = read_checkpoint(layout, "x")
    assert (found.stage, found.round, found.meta) == (1, 2, CHECKPOINT.meta)
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape), name
        assert found.arrays[name].tobytes() == array.tobytes(), name
    assert found.scores == SCORES_TABLE
    assert (found.selections.num_rows, found.selections.num_columns) == (0, 0)


def test_a_table_without_rows_keeps_its_columns(layout):
    write_checkpoint(layout, "x", dataclasses.replace(CHECKPOINT, scores=SCORES.empty_table()))
    assert read_checkpoint(layout, "x").scores == SCORES.empty_table()


def test_a_cell_without_checkpoints_has_none(layout):
    assert read_checkpoint(layout, "x") is None
    layout.checkpoints("x").mkdir(parents=True)
    assert read_checkpoint(layout, "x") is None


def test_a_new_checkpoint_takes_the_place_of_the_older_ones(layout):
    for stage, number in [(0, 9), (0, 10), (1, 0)]:
        write_checkpoint(layout, "x", dataclasses.replace(CHECKPOINT, stage=stage, round=number))
        found = read_checkpoint(layout, "x")
        assert (found.stage, found.round) == (stage, number)
    assert len(list(layout.checkpoints("x").iterdir())) == 1


def test_of_two_complete_checkpoints_the_one_that_is_further_wins(layout):
    for stage, number in [(2, 0), (1, 11), (1, 9)]:
        write_checkpoint(layout, f"{stage}-{number}", dataclasses.replace(CHECKPOINT, stage=stage, round=number))
        (folder,) = layout.checkpoints(f"{stage}-{number}").iterdir()
        layout.checkpoints("x").mkdir(exist_ok=True)
        folder.rename(layout.checkpoints("x") / folder.name)
    assert read_checkpoint(layout, "x").stage == 2


def test_a_late_checkpoint_of_a_process_that_was_overtaken_leaves_the_newer_one(layout):
    for stage in (2, 1):
        write_checkpoint(layout, "x", dataclasses.replace(CHECKPOINT, stage=stage))
    assert read_checkpoint(layout, "x").stage == 2


def test_a_checkpoint_that_another_process_replaces_while_it_is_read_gives_the_newer_one(layout, monkeypatch):
    write_checkpoint(layout, "x", CHECKPOINT)
    read = atomic.read_folder

    def overtaken(folder):
        monkeypatch.setattr(atomic, "read_folder", read)
        write_checkpoint(layout, "x", dataclasses.replace(CHECKPOINT, stage=2))
        return read(folder)

    monkeypatch.setattr(atomic, "read_folder", overtaken)
    assert read_checkpoint(layout, "x").stage == 2


def test_a_checkpoint_that_was_half_written_or_half_deleted_is_passed_over(layout):
    write_checkpoint(layout, "x", CHECKPOINT)
    (folder,) = layout.checkpoints("x").iterdir()
    unmarked, unnamed = folder.with_name("0002-000000"), folder.with_name(".0003-000000.abc")
    unmarked.mkdir()
    unnamed.mkdir()
    (unnamed / MARKER).touch()
    assert read_checkpoint(layout, "x").stage == 1


def test_a_checkpoint_with_one_altered_byte_is_refused(layout):
    write_checkpoint(layout, "x", CHECKPOINT)
    (folder,) = layout.checkpoints("x").iterdir()
    data = bytearray((folder / "arrays.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "arrays.safetensors").write_bytes(data)
    with pytest.raises(StorageError, match=r"arrays\.safetensors was altered"):
        read_checkpoint(layout, "x")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"schema": 99}, "must have `schema` 1, but has 99, of a newer version"),
        ({"meta": {}}, r"must have the key `meta\."),
    ],
)
def test_a_checkpoint_of_another_schema_or_that_does_not_fit_is_refused(layout, change, what):
    write_checkpoint(layout, "x", CHECKPOINT)
    (folder,) = layout.checkpoints("x").iterdir()
    files = atomic.read_folder(folder)
    meta = json.loads(files["meta.json"]) | change
    atomic.write_folder(folder, files | {"meta.json": json.dumps(meta).encode()})
    with pytest.raises(StorageError, match=what):
        read_checkpoint(layout, "x")


def test_a_writer_killed_at_any_moment_leaves_a_checkpoint_to_go_on_from(tmp_path):
    define = (
        "import numpy as np\nimport pyarrow as pa\n"
        "from farsighted.store import writer\nfrom farsighted.store.layout import Layout\n"
        f"progress = {progress_record()}\n"
        "def write(root, n):\n"
        "    arrays = {'w': np.full(300_000, n, dtype=np.float32)}\n"
        "    meta, scores = {**progress, 'probe_tokens': n}, pa.table({'n': [n]})\n"
        "    found = writer.Checkpoint(n // 3, n % 3, meta, arrays, scores, pa.table({}))\n"
        "    writer.write_checkpoint(Layout(root), 'x', found)\n"
    )
    for folder in kill_while_writing(define, tmp_path, trials=5):
        found = read_checkpoint(Layout(folder), "x")
        number = found.meta["probe_tokens"]
        assert number >= 1
        assert (found.stage, found.round) == (number // 3, number % 3)
        assert found.scores.to_pylist() == [{"n": number}]
        assert np.array_equal(found.arrays["w"], np.full(300_000, number, dtype=np.float32))


def test_a_finished_cell_can_be_read_and_needs_no_checkpoint_any_more(layout):
    write_checkpoint(layout, "x", CHECKPOINT)
    write_checkpoint(layout, "y", CHECKPOINT)
    write_cell(layout, cell_record(), SCORES_TABLE, pa.table({"id": ["e"]}))
    assert layout.finished("x")
    (folder,) = finished_cells(layout.root)
    cell = read_cell(folder)
    assert (cell.meta, cell.scores) == (cell_record(), SCORES_TABLE)
    assert read_checkpoint(layout, "x") is None
    assert read_checkpoint(layout, "y") is not None


def test_a_cell_with_nan_among_its_numbers_is_not_published(layout):
    with pytest.raises(ValueError, match="JSON"):
        write_cell(layout, cell_record(probe_seconds=float("nan")), SCORES_TABLE, SCORES_TABLE)
    assert not layout.finished("x")
