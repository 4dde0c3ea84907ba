import dataclasses
import json

import numpy as np
import pytest

from farsighted.protocol.shared import (
    ARRAYS,
    FirstSignals,
    cluster_count,
    clusters_are_prepared,
    heuristics_note,
    load_known,
    prepare_clusters,
    prepare_stage,
    stage_is_prepared,
)
from farsighted.signals.quality import difficulty_from_nll, rule_quality
from farsighted.store.layout import Layout
from farsighted.testing.fake_learner import FakeLearner
from oracles.fake_world import fake_world
from oracles.micro import assert_same_cell, desk_of, nano_config, write_jsonl

SIGNALS = frozenset({"nll", "hidden"})


class Counting(FakeLearner):
    """Counts the passes that are asked of it."""

    passes = 0

    def signals(self, batch, needs):
        self.passes += 1
        return super().signals(batch, needs)

    def likelihoods(self, texts):
        self.passes += 1
        return super().likelihoods(texts)


@pytest.fixture
def desk(tmp_path):
    return desk_of(nano_config(tmp_path), tmp_path / "out")


def prepare(desk, learner):
    for name in desk.inputs.stages:
        prepare_stage(learner, desk.config, desk.inputs, desk.layout, name)
    prepare_clusters(desk.config, desk.inputs, desk.layout)


def without_labels(folder, *fields):
    """Take fields out of all training rows that `nano_config` wrote."""
    for path in folder.glob("*.train.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, [{key: value for key, value in row.items() if key not in fields} for row in rows])


def test_shared_work_is_done_once_however_often_it_is_asked_for(desk):
    learner = Counting()
    prepare(desk, learner)
    # A pass over each pool, each validation set and each shifted set.
    assert learner.passes == 6
    before = sorted(desk.layout.shared.iterdir())
    prepare(desk, learner)
    assert learner.passes == 6
    assert sorted(desk.layout.shared.iterdir()) == before


def test_what_is_prepared_is_known_to_be(desk):
    def found():
        stages = [stage_is_prepared(desk.config, desk.inputs, desk.layout, name) for name in desk.inputs.stages]
        return [*stages, clusters_are_prepared(desk.config, desk.inputs, desk.layout)]

    assert found() == [False, False, False]
    prepare(desk, FakeLearner())
    assert found() == [True, True, True]


def test_base_scores_are_of_the_validation_set_and_the_shifted_sets_that_a_stage_is_first_to_name(tmp_path):
    config = nano_config(tmp_path)
    shared = config["stages"][0]["ood"]
    config["stages"][1]["ood"] = {**config["stages"][1]["ood"], **shared}
    desk = desk_of(config, tmp_path / "out")
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    sets = {name: set(one.base_scores["set"].to_pylist()) for name, one in known.items()}
    assert sets["general"] & sets["math"] == set()
    assert sets["general"] == {"general", *shared}
    assert set().union(*sets.values()) == {"general", "math", *(found.name for found in desk.inputs.ood_sets)}


def test_labels_of_the_data_come_before_heuristics(desk):
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    for name, stage in desk.inputs.stages.items():
        examples = [tokens.example for tokens in stage.pool.tokens]
        np.testing.assert_array_equal(known[name].rows["quality"], [example.quality for example in examples])
        np.testing.assert_array_equal(known[name].rows["difficulty"], [example.difficulty for example in examples])
    assert heuristics_note(desk.inputs) == ()


def test_heuristics_stand_in_where_a_label_is_missing_and_a_note_says_so(tmp_path):
    config = nano_config(tmp_path)
    without_labels(tmp_path, "quality", "difficulty")
    desk = desk_of(config, tmp_path / "out")
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    tokens = desk.inputs.stages["math"].pool.tokens
    nll = FakeLearner().signals(tokens, frozenset({"nll"}))["nll"]
    np.testing.assert_array_equal(known["math"].rows["difficulty"], difficulty_from_nll(nll))
    np.testing.assert_array_equal(known["math"].rows["quality"], [rule_quality(item.example) for item in tokens])
    notes = heuristics_note(desk.inputs)
    assert len(notes) == 4
    assert sum("'math'" in note for note in notes) == 2


def test_clusters_are_the_labels_of_the_data_numbered_over_all_stages(desk):
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    labels = [item.example.cluster for stage in desk.inputs.stages.values() for item in stage.pool.tokens]
    wanted = [sorted(set(labels)).index(label) for label in labels]
    assert [*known["general"].rows["cluster"], *known["math"].rows["cluster"]] == wanted
    assert cluster_count(known) == len(set(labels))


def test_clusters_come_from_k_means_where_one_example_has_no_label(tmp_path):
    config = nano_config(tmp_path, signals={"k": 3})
    without_labels(tmp_path, "cluster")
    desk = desk_of(config, tmp_path / "out")
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    assert cluster_count(known) == 3
    # The seed of k-means is no part of the data, but of what decides a cell.
    reseeded = desk_of({**config, "data": {"proxy_per_stage": 0, "seed": 1}}, tmp_path / "out")
    assert not clusters_are_prepared(reseeded.config, reseeded.inputs, desk.layout)


def first_signals(config, layout):
    return FirstSignals(layout, config, "model", "adapter")


def test_first_signals_come_from_disk_the_second_time_with_the_same_values_and_cost(desk):
    batch = desk.inputs.stages["math"].pool.tokens[:5]
    learner = Counting()
    computed = first_signals(desk.config, desk.layout).get(learner, batch, SIGNALS)
    found = first_signals(desk.config, desk.layout).get(learner, batch, SIGNALS)
    assert learner.passes == 1
    assert found.seconds == computed.seconds > 0
    direct = FakeLearner().signals(batch, SIGNALS)
    for name in SIGNALS:
        np.testing.assert_array_equal(found.rows[name], direct[name])
        assert found.rows[name].dtype == direct[name].dtype


def test_only_first_signals_that_are_missing_are_computed(desk):
    batch = desk.inputs.stages["math"].pool.tokens[:5]
    learner = Counting()
    one = first_signals(desk.config, desk.layout).get(learner, batch, frozenset({"nll"}))
    both = first_signals(desk.config, desk.layout).get(learner, batch, SIGNALS)
    assert learner.passes == 2
    np.testing.assert_array_equal(one.rows["nll"], both.rows["nll"])
    assert both.seconds > one.seconds


def edited(tokens):
    """The same id over another text."""
    return dataclasses.replace(tokens, ids=(tokens.ids[0] + 1, *tokens.ids[1:]))


def test_first_signals_of_an_edited_example_are_computed_anew(desk):
    batch = list(desk.inputs.stages["math"].pool.tokens[:5])
    other = [edited(batch[0]), *batch[1:]]
    cache = first_signals(desk.config, desk.layout)
    cache.get(FakeLearner(), batch, SIGNALS)
    found = cache.get(FakeLearner(), other, SIGNALS)
    np.testing.assert_array_equal(found.rows["nll"], FakeLearner().signals(other, SIGNALS)["nll"])
    np.testing.assert_array_equal(found.rows["hidden"], FakeLearner().signals(other, SIGNALS)["hidden"])


@pytest.mark.parametrize(
    "change",
    [
        {"lora": {"r": 2, "alpha": 8, "dropout": 0.1, "targets": ["q_proj"]}},
        {"model": {"dtype": "bfloat16"}},
        {"evaluation": {"batch_tokens": 999}},
        {"training": {"batch_size": 2, "train_head": True}},
    ],
    ids=["adapter scale", "number format", "batch size", "trained head"],
)
def test_first_signals_are_not_shared_between_settings_that_change_them(tmp_path, change):
    one = desk_of(nano_config(tmp_path), tmp_path / "out")
    other = desk_of(nano_config(tmp_path, **change), tmp_path / "out")
    batch, learner = one.inputs.stages["math"].pool.tokens[:5], Counting()
    for desk in (one, other):
        first_signals(desk.config, one.layout).get(learner, batch, SIGNALS)
    assert learner.passes == 2


@pytest.mark.parametrize(
    "change", [{"model": {"dtype": "bfloat16"}}, {"model": {"context": 300}}, {"evaluation": {"batch_tokens": 999}}]
)
def test_base_scores_are_not_shared_between_settings_that_change_them(tmp_path, change):
    one = desk_of(nano_config(tmp_path), tmp_path / "out")
    other = desk_of(nano_config(tmp_path, **change), tmp_path / "out")
    prepare(one, FakeLearner())
    assert not stage_is_prepared(other.config, other.inputs, one.layout, "math")


@pytest.mark.parametrize("change", [{"title": "Another"}, {"seeds": [5]}, {"selectors": ["random", "loss"]}])
def test_base_scores_are_shared_between_grids(tmp_path, change):
    one = desk_of(nano_config(tmp_path), tmp_path / "out")
    other = desk_of(nano_config(tmp_path, **change), tmp_path / "out")
    prepare(one, FakeLearner())
    assert stage_is_prepared(other.config, other.inputs, one.layout, "math")


def test_the_second_cell_that_needs_the_same_signals_makes_one_pass_less_and_adds_nothing_to_disk(tmp_path):
    again = {"name": "utility_diversity", "label": "again", "scale": "compat"}
    world = fake_world(tmp_path, selectors=["random", "utility_diversity", again])
    assert world.run("utility_diversity") == "done"
    before = {path: path.stat().st_mtime_ns for path in world.desk.layout.shared.glob(f"*/{ARRAYS}")}
    learner, alone = Counting(), Counting()
    assert world.run("again", learner=learner) == "done"
    assert {path: path.stat().st_mtime_ns for path in world.desk.layout.shared.glob(f"*/{ARRAYS}")} == before
    lonely = dataclasses.replace(world, desk=dataclasses.replace(world.desk, layout=Layout(tmp_path / "elsewhere")))
    assert lonely.run("again", learner=alone) == "done"
    assert learner.passes == alone.passes - 1
    assert_same_cell(lonely.folder("again"), world.folder("again"))
