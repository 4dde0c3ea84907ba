import math

import numpy as np
import pyarrow as pa
import pytest

from farsighted.candidates.pool_work import PoolWork
from farsighted.learners.base import ChangeInner
from farsighted.protocol.cell_state import CellProgress
from farsighted.protocol.stages import stage_input
from farsighted.protocol.summary import cell_meta, selection_hash, stage_numbers
from farsighted.store.schema import SELECTIONS
from farsighted.testing.fake_learner import FakeLearner
from farsighted.training.record import SketchSample, StageRecord
from farsighted.training.stage import StageProgress
from oracles.fake_world import fake_world

NO_CHANGE = ChangeInner(0.0, 0.0, 0.0)
NOTHING = PoolWork({})


def table(rows):
    filled = [
        {"stage": "general", "cluster": 0, "score": 0.0, "tokens": 3, "trained_tokens": 3, "stage_index": 1} | row
        for row in rows
    ]
    return pa.Table.from_pylist(filled, SELECTIONS)


def picked(ids, round_=0, start=0, **more):
    return [{"id": name, "round": round_, "rank": start + n, "chosen": True} | more for n, name in enumerate(ids)]


@pytest.fixture
def world(tmp_path):
    return fake_world(tmp_path)


@pytest.fixture
def stage(world):
    desk = world.desk
    return stage_input(world.cell("random"), 1, FakeLearner(), desk.config, desk.inputs, world.known)


def progress_of(stage, rows, sketches=None):
    ids = [stage.pool.tokens[row].example.id for row in rows]
    sketches = np.eye(4, dtype=np.float32)[: len(ids)] if sketches is None else sketches
    record = StageRecord(
        [table([*picked(ids), {"id": "left", "round": 0, "rank": 99, "chosen": False, "trained_tokens": 0}])],
        losses=[0.5],
        grad_norms=[1.0],
        trained_tokens=12,
        scored_tokens=40,
        scoring_seconds=1.0,
        training_seconds=2.0,
        sample=SketchSample(np.arange(len(ids)) / 10, sketches),
    )
    return StageProgress(round=3, steps=1, record=record)


def test_means_are_over_what_was_chosen_and_nothing_else(stage):
    numbers = stage_numbers(stage, progress_of(stage, [4, 7]), NO_CHANGE, NOTHING)
    for signal in ("difficulty", "quality"):
        wanted = (stage.known[signal][4] + stage.known[signal][7]) / 2
        assert numbers[f"mean_{signal}"] == pytest.approx(wanted)
        assert numbers[f"{signal}_sum"] == pytest.approx(2 * wanted)
    assert numbers["trained_examples"] == 2
    assert sum(numbers["clusters"]) == 2


def test_entropy_is_that_of_the_chosen_clusters(stage):
    clusters = stage.known["cluster"]
    first = int(np.flatnonzero(clusters == clusters[0])[0])
    other = int(np.flatnonzero(clusters != clusters[0])[0])
    numbers = stage_numbers(stage, progress_of(stage, [first, other]), NO_CHANGE, NOTHING)
    assert numbers["capability_entropy"] == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("sketches", "wanted"),
    [([[1.0, 0.0], [2.0, 0.0]], 1.0), ([[1.0, 0.0], [0.0, 1.0]], 0.5)],
    ids=["parallel", "apart"],
)
def test_concentration_is_that_of_the_sampled_sketches(stage, sketches, wanted):
    progress = progress_of(stage, [0, 1], np.array(sketches, dtype=np.float32))
    numbers = stage_numbers(stage, progress, NO_CHANGE, NOTHING)
    assert numbers["update_concentration"] == pytest.approx(wanted)
    assert numbers["concentration_sample"] == 2


def test_drift_is_1_minus_the_cosine_of_two_changes(stage):
    """Changes of length 3 and 4 with inner product 6: 1 − 6/12."""
    numbers = stage_numbers(stage, progress_of(stage, [0]), ChangeInner(6.0, 9.0, 16.0), NOTHING)
    assert numbers["adapter_drift"] == pytest.approx(0.5)


def test_the_first_stage_has_no_drift(stage):
    assert stage_numbers(stage, progress_of(stage, [0]), ChangeInner(0.0, 0.0, 16.0), NOTHING)["adapter_drift"] is None


def test_what_is_found_once_for_a_pool_is_part_of_scoring(stage):
    numbers = stage_numbers(stage, progress_of(stage, [0]), NO_CHANGE, PoolWork({}, 0.25, 500))
    assert (numbers["scored_tokens"], numbers["scoring_seconds"]) == (540, 1.25)
    assert "warm_up_tokens" not in numbers


def test_what_a_warm_up_run_trains_on_stands_apart_from_what_the_budget_allows(stage):
    numbers = stage_numbers(stage, progress_of(stage, [0]), NO_CHANGE, PoolWork({}, 0.25, 500, 70))
    assert (numbers["trained_tokens"], numbers["warm_up_tokens"]) == (12, 70)


def test_a_stage_that_chose_nothing_has_no_means_and_no_zeros(stage):
    numbers = stage_numbers(stage, progress_of(stage, []), NO_CHANGE, NOTHING)
    names = ("capability_entropy", "update_concentration", "mean_difficulty", "mean_quality")
    assert [numbers[name] for name in names] == [None] * 4
    assert numbers["trained_examples"] == 0


def done_with(stage, *picks):
    done = CellProgress({})
    for rows in picks:
        progress = progress_of(stage, rows)
        done.finish_stage(progress, stage_numbers(stage, progress, NO_CHANGE, NOTHING))
    return done


def test_the_runs_means_count_every_example_once_not_every_stage(world, stage):
    done = done_with(stage, [0, 1, 2], [3])
    meta = cell_meta(world.cell("random"), world.desk.config, world.desk.inputs, done)
    assert meta["run"]["mean_difficulty"] == pytest.approx(stage.known["difficulty"][[0, 1, 2, 3]].mean())
    shares = np.bincount(stage.known["cluster"][[0, 1, 2, 3]]) / 4
    assert meta["run"]["capability_entropy"] == pytest.approx(-sum(p * math.log(p) for p in shares if p))


def test_a_cell_that_chose_nothing_has_a_run_without_numbers(world):
    meta = cell_meta(world.cell("random"), world.desk.config, world.desk.inputs, CellProgress({}))
    assert set(meta["run"].values()) == {None}
    assert "adapter_drift" in meta["missing"]


def test_drift_is_missing_with_a_reason_before_the_second_stage(world, stage):
    one, two = (
        cell_meta(world.cell("random"), world.desk.config, world.desk.inputs, done_with(stage, *picks))
        for picks in ([[0]], [[0], [1]])
    )
    assert "two finished stages" in one["missing"]["adapter_drift"]
    assert two["missing"] == {}


def test_every_set_is_listed_with_its_normalisation(world):
    meta = cell_meta(world.cell("random"), world.desk.config, world.desk.inputs, CellProgress({}))
    shifted = {found.name for found in world.desk.inputs.ood_sets}
    assert set(meta["evaluation"]) == {"general", "math"} | shifted
    assert meta["evaluation"]["math"] == {"measure": "token_accuracy", "chance": 0.0, "ceiling": 1.0, "items": 4}


def test_a_loss_that_is_no_number_is_null(world, stage):
    progress = progress_of(stage, [0])
    progress.record.losses = [0.5, math.nan, math.inf]
    assert stage_numbers(stage, progress, NO_CHANGE, NOTHING)["losses"] == [0.5, None, None]


def test_the_selection_hash_does_not_depend_on_how_rounds_are_cut_into_tables():
    rounds = [picked("ab"), picked("cd", round_=1)]
    assert selection_hash([table(rows) for rows in rounds]) == selection_hash([table([*rounds[0], *rounds[1]])])


def test_the_selection_hash_does_not_depend_on_what_was_left():
    left = [{"id": "x", "round": 0, "rank": 9, "chosen": False}]
    assert selection_hash([table(picked("ab"))]) == selection_hash([table([*left, *picked("ab")])])


@pytest.mark.parametrize(
    "other",
    [picked("ba"), picked("ac"), picked("abc"), picked("ab", round_=1), picked("ab", stage_index=2), []],
    ids=str,
)
def test_the_selection_hash_tells_apart_other_picks_orders_rounds_and_stages(other):
    assert selection_hash([table(other)]) != selection_hash([table(picked("ab"))])
