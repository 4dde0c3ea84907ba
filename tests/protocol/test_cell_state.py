import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.protocol.cell_state import CellProgress, pack, unpack
from farsighted.protocol.scores import ScoreRows
from farsighted.store.schema import SCORES, SELECTIONS
from farsighted.store.writer import Checkpoint
from farsighted.training.record import SketchSample, StageRecord
from farsighted.training.stage import StageProgress

NAMES = st.text(st.characters(codec="ascii", exclude_characters="/", categories=["L", "N", "P"]), min_size=1)


def selected(stage_index, round_, ids):
    rows = [
        {"stage": f"s{stage_index}", "stage_index": stage_index, "round": round_, "id": name, "rank": rank}
        | {"cluster": 0, "score": 1.0, "chosen": rank == 0, "tokens": 3, "trained_tokens": 3 if rank == 0 else 0}
        for rank, name in enumerate(ids)
    ]
    return pa.Table.from_pylist(rows, SELECTIONS)


def sample(count):
    return SketchSample(np.arange(count) / 10, np.ones((count, 2), dtype=np.float32))


def done(**changes):
    scores = ScoreRows([SCORES.empty_table()])
    per_stage = [{"stage": "s1", "losses": [0.5]}]
    state = {"memory": np.arange(3)}
    return CellProgress(state, 1, scores, [selected(1, 0, "ab")], per_stage, sample(2), 1.5, 2.5, 70, 0, **changes)


def running():
    record = StageRecord([selected(2, 0, "cd"), selected(2, 1, "ef")], [0.4], [1.0], 9, 12, 0.1, 0.2, sample(1))
    return StageProgress(2, 9.0, 2, {"memory": np.arange(5)}, np.ones(4, dtype=np.float32), record)


def loaded(progress, stage, stages=1):
    meta, groups, selections = progress.save(stage)
    flat = pack(groups)
    checkpoint = Checkpoint(stages, stage.round if stage else 0, meta, flat, progress.scores.table(), selections)
    return CellProgress.load(checkpoint, unpack(flat))


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(0, 9), min_size=1)))
@settings(max_examples=60)
def test_unpack_undoes_pack_for_groups_that_hold_something(groups):
    arrays = {group: {name: np.array(value) for name, value in part.items()} for group, part in groups.items()}
    assert unpack(pack(arrays)) == arrays


def test_groups_that_hold_nothing_are_missing_after_unpack():
    assert unpack(pack({"state": {}, "sample": {"keys": np.zeros(0)}})).keys() == {"sample"}


def test_what_was_gathered_comes_back_from_a_boundary():
    back, stage = loaded(done(), None)
    assert stage is None
    assert (back.stages, back.evaluation_seconds, back.probe_seconds, back.probe_tokens) == (1, 1.5, 2.5, 70)
    assert back.per_stage == done().per_stage
    np.testing.assert_array_equal(back.state["memory"], np.arange(3))
    np.testing.assert_array_equal(back.sample.keys, done().sample.keys)
    assert back.selection_table().equals(done().selection_table())


def test_a_load_counts_as_an_interruption():
    assert loaded(done(), None)[0].interruptions == 1
    assert loaded(loaded(done(), None)[0], None)[0].interruptions == 2


def test_a_stage_in_progress_is_told_apart_from_the_finished_ones():
    back, stage = loaded(done(), running())
    assert back.selection_table()["id"].to_pylist() == ["a", "b"]
    assert stage.record.table()["id"].to_pylist() == ["c", "d", "e", "f"]
    assert (stage.round, stage.spent, stage.steps) == (2, 9.0, 2)
    np.testing.assert_array_equal(stage.state["memory"], np.arange(5))
    np.testing.assert_array_equal(stage.proxy_sketch, np.ones(4))
    assert stage.record.numbers() == running().record.numbers()


def test_a_round_in_progress_keeps_its_picks_and_its_steps():
    _, between = loaded(done(), running())
    assert between.picked is None
    _, within = loaded(done(), dataclasses.replace(running(), picked=np.array([4, 1, 3]), round_steps=2))
    np.testing.assert_array_equal(within.picked, [4, 1, 3])
    assert within.picked_weight is None
    assert within.round_steps == 2


def test_the_weights_of_a_rounds_picks_come_back_bit_for_bit():
    weight = np.array([0.1, 1 / 3, 2.0])
    stage = dataclasses.replace(running(), picked=np.array([4, 1, 3]), picked_weight=weight, round_steps=1)
    _, within = loaded(done(), stage)
    assert within.picked_weight.tobytes() == weight.tobytes()


def test_picks_of_a_stage_are_in_the_same_order_before_and_after():
    assert loaded(done(), running())[1].record.chosen_ids() == running().record.chosen_ids() == ["c", "e"]


def test_a_cell_stopped_before_its_first_round_comes_back_empty():
    back, stage = loaded(CellProgress({}), StageProgress(), stages=0)
    assert back.selections == []
    assert stage.record.tables == []
    assert stage.proxy_sketch is None
    assert back.selection_table().schema == SELECTIONS


def test_a_finished_stage_is_taken_over():
    progress = done()
    progress.finish_stage(running(), {"stage": "s2"})
    assert progress.stages == 2
    assert progress.selection_table()["stage_index"].to_pylist() == [1, 1, 2, 2, 2, 2]
    assert [stage["stage"] for stage in progress.per_stage] == ["s1", "s2"]
    assert len(progress.sample.keys) == 3
    np.testing.assert_array_equal(progress.state["memory"], np.arange(5))


@pytest.mark.parametrize("clock", ["evaluation_seconds", "probe_seconds"])
def test_time_is_added_to_the_clock_that_is_named(clock):
    progress = CellProgress({})
    with progress.timed(clock):
        pass
    assert getattr(progress, clock) > 0
    assert progress.evaluation_seconds == 0 or progress.probe_seconds == 0
