import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.values import Pool, Ranking
from farsighted.learners.base import StepRecord
from farsighted.store.schema import SELECTIONS
from farsighted.training import record
from farsighted.training.record import RoundPlace, SketchSample, StageRecord, round_table, with_known
from oracles.stage_world import make_texts

POOL = Pool("math", make_texts("e", [5, 1, 2, 3]))


@pytest.fixture
def limit(monkeypatch):
    monkeypatch.setattr(record, "SKETCH_LIMIT", 3)
    return 3


def sample(keys):
    """Sketches that tell which key they belong to."""
    keys = np.array(keys, dtype=float)
    return SketchSample(keys, np.stack([keys, -keys], axis=1).astype(np.float32).reshape(len(keys), 2))


def held(found):
    return sorted(found.keys.tolist())


def test_a_sample_keeps_the_sketches_with_the_smallest_keys(limit):
    merged = sample([0.5, 0.1]).merged(sample([0.3, 0.9])).merged(sample([0.2]))
    assert held(merged) == [0.1, 0.2, 0.3]
    np.testing.assert_allclose(merged.sketches, np.stack([merged.keys, -merged.keys], axis=1))


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=4))
def test_parts_may_be_merged_in_any_order_and_some_may_be_empty(parts):
    parts = [[key + part / 10 for key in keys] for part, keys in enumerate(parts)]
    expected = sorted(key for keys in parts for key in keys)[: record.SKETCH_LIMIT]
    for order in itertools.permutations(parts):
        merged = SketchSample.empty()
        for keys in order:
            merged = merged.merged(sample(keys))
        assert held(merged) == expected


def test_one_step_with_more_examples_than_the_sample_holds_is_thinned_too(limit):
    assert held(SketchSample.empty().merged(sample([0.4, 0.3, 0.2, 0.1]))) == [0.1, 0.2, 0.3]


def test_nothing_is_the_sample_of_nothing():
    merged = SketchSample.empty().merged(SketchSample.empty())
    assert (merged.keys.shape, merged.sketches.shape) == ((0,), (0, 0))


def test_every_example_is_as_likely_to_stay_in_the_sample_as_any_other(limit):
    draws = np.random.default_rng(0)
    kept = np.zeros(6)
    for _ in range(600):
        keys = draws.random(6)
        merged = SketchSample.empty()
        for row in range(6):
            merged = merged.merged(SketchSample(keys[row : row + 1], np.full((1, 1), row, dtype=np.float32)))
        kept[merged.sketches[:, 0].astype(int)] += 1
    # Each is kept with probability 1/2: 300 of 600, standard deviation 12.2.
    assert (np.abs(kept - 300) < 5 * 12.3).all()


def test_a_round_becomes_rows_that_say_what_was_offered_and_what_was_taken():
    ranking = Ranking(np.array([2, 0, 1]), np.array([0.5, 0.25, 1.0]), {"utility": np.array([1.0, 2.0, 3.0])})
    table = round_table(RoundPlace("math", 2, 7, 5), POOL, np.array([3, 0, 1]), ranking, picked=np.array([2, 0]))
    offered = {"stage": "math", "stage_index": 2, "round": 7, "step": 5}
    assert table.to_pylist() == [
        offered
        | {"id": "e3", "rank": 1, "score": 0.5, "chosen": True, "tokens": 3, "trained_tokens": 3}
        | {"component_utility": 1.0},
        offered
        | {"id": "e0", "rank": 2, "score": 0.25, "chosen": False, "tokens": 5, "trained_tokens": 0}
        | {"component_utility": 2.0},
        offered
        | {"id": "e1", "rank": 0, "score": 1.0, "chosen": True, "tokens": 1, "trained_tokens": 1}
        | {"component_utility": 3.0},
    ]
    for name in table.drop_columns(["component_utility"]).column_names:
        assert table.schema.field(name).type == SELECTIONS.field(name).type


def test_weights_are_written_as_they_were_given_and_only_where_there_are_any():
    place, rows = RoundPlace("math", 1, 0, 0), np.arange(3)
    tables = [
        round_table(place, POOL, rows, Ranking(rows, np.zeros(3), weight=weight), picked=rows[:1])
        for weight in (None, np.array([0.5, 0.0, 8.0]))
    ]
    assert "weight" not in tables[0].column_names
    assert tables[1]["weight"].to_pylist() == [0.5, 0.0, 8.0]


def test_chosen_ids_come_in_order_of_round_and_rank():
    kept = StageRecord()
    for number, rows in enumerate(([3, 0, 1], [2])):
        order = np.arange(len(rows))[::-1]
        ranking = Ranking(order, np.zeros(len(rows)))
        kept.tables.append(
            round_table(RoundPlace("math", 1, number, number), POOL, np.array(rows), ranking, picked=order[:2])
        )
    assert kept.chosen_ids() == ["e1", "e0", "e2"]
    assert kept.table().num_rows == 4


def test_rounds_with_other_components_are_filled_up_with_nothing():
    kept = StageRecord()
    for parts in ({}, {"utility": np.ones(1)}):
        ranking = Ranking(np.zeros(1, dtype=int), np.zeros(1), parts)
        kept.tables.append(
            round_table(RoundPlace("math", 1, 0, 0), POOL, np.zeros(1, dtype=int), ranking, picked=np.zeros(1, int))
        )
    assert kept.table()["component_utility"].to_pylist() == [None, 1.0]


def test_steps_and_scoring_add_up():
    kept = StageRecord()
    kept.add_scoring(10, 0.5)
    kept.add_scoring(0, 0.25)
    for loss in (2.0, 1.0):
        kept.add_step(StepRecord(loss, loss / 2, np.zeros((2, 4), dtype=np.float32)), np.array([loss, 0.5]), 7, 1.5)
    assert kept.numbers() == {
        "losses": [2.0, 1.0],
        "grad_norms": [1.0, 0.5],
        "trained_tokens": 14,
        "scored_tokens": 10,
        "scoring_seconds": 0.75,
        "training_seconds": 3.0,
    }
    assert held(kept.sample) == [0.5, 0.5, 1.0, 2.0]


def test_numbers_and_table_are_all_that_a_new_record_needs():
    kept = StageRecord()
    kept.add_scoring(10, 0.5)
    again = StageRecord(**json.loads(json.dumps(kept.numbers())))
    assert again.numbers() == kept.numbers()


def test_ids_are_those_of_the_rows():
    assert POOL.ids_of(np.array([2, 0])) == ["e2", "e0"]
    assert pa.array(POOL.ids_of([])).to_pylist() == []


def test_the_stage_that_an_example_comes_from_is_told_where_any_is_replayed():
    ranking, rows = Ranking(np.arange(2), np.zeros(2)), np.array([3, 1])
    table = round_table(RoundPlace("math", 2, 0, 0), POOL, rows, ranking, picked=np.array([0]))
    known = {"cluster": np.array([5, 6, 7, 8]), "origin": np.array([0, 0, 0, 1])}
    marked = with_known(table, known, rows)
    assert marked["cluster"].to_pylist() == [8, 6]
    assert marked["origin"].to_pylist() == [1, None]
    for nothing in ({**known, "origin": np.zeros(4, dtype=np.int32)}, {"cluster": known["cluster"]}):
        assert with_known(table, nothing, rows).column_names == marked.column_names[:-1]
