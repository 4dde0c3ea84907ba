import dataclasses

import numpy as np
import pytest

from farsighted.candidates import kept_signals as signal_cache
from farsighted.config.audit import AuditConfig
from farsighted.core.readings import Unheard
from farsighted.protocol.cell import CellContext, run_cell
from farsighted.protocol.plan import plan_cells
from farsighted.protocol.shared import (
    FirstSignals,
    cluster_count,
    clusters_are_prepared,
    load_known,
    prepare_clusters,
    prepare_stage,
    stage_is_prepared,
)
from farsighted.signals.heuristics import difficulty_from_nll, rule_quality
from farsighted.store.claims import Claims
from farsighted.store.layout import Layout
from farsighted.testing.fake_learner import FakeLearner
from oracles.fake_world import fake_world
from oracles.micro import assert_same_cell, desk_of, nano_config, without_labels

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


def test_heuristics_stand_in_where_a_label_is_missing(tmp_path):
    config = nano_config(tmp_path)
    without_labels(tmp_path, "quality", "difficulty")
    desk = desk_of(config, tmp_path / "out")
    prepare(desk, FakeLearner())
    known = load_known(desk.config, desk.inputs, desk.layout)
    tokens = desk.inputs.stages["math"].pool.tokens
    nll = FakeLearner().signals(tokens, frozenset({"nll"}))["nll"]
    np.testing.assert_array_equal(known["math"].rows["difficulty"], difficulty_from_nll(nll))
    np.testing.assert_array_equal(known["math"].rows["quality"], [rule_quality(item.example) for item in tokens])


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
    return FirstSignals(layout, config, "model", ("lora", "adapter"))


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
    ("change", "name"),
    [
        ({"lora": {"r": 2, "alpha": 8, "dropout": 0.1, "targets": ["q_proj"]}}, "grad_norm"),
        ({"training": {"batch_size": 2, "train_head": True}}, "grad_norm"),
        ({"model": {"dtype": "bfloat16"}}, "nll"),
        ({"model": {"device": "cuda"}}, "nll"),
        ({"evaluation": {"batch_tokens": 999}}, "nll"),
    ],
    ids=["adapter scale", "trained head", "number format", "device", "batch size"],
)
def test_first_signals_are_not_shared_between_settings_that_change_them(tmp_path, change, name):
    one = desk_of(nano_config(tmp_path), tmp_path / "out")
    other = desk_of(nano_config(tmp_path, **change), tmp_path / "out")
    batch, learner = one.inputs.stages["math"].pool.tokens[:5], Counting()
    for desk in (one, other):
        first_signals(desk.config, one.layout).get(learner, batch, frozenset({name}))
    assert learner.passes == 2


def test_first_signals_of_forward_passes_are_shared_between_adapters_and_gradients_are_not(desk):
    batch, learner = desk.inputs.stages["math"].pool.tokens[:5], Counting()
    for adapter, passes in (("lora", 2), ("full", 3)):
        first = FirstSignals(desk.layout, desk.config, "model", ("lora", adapter))
        first.get(learner, batch, frozenset({"nll", "grad_norm"}))
        assert learner.passes == passes


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"dtype": "bfloat16"}},
        {"model": {"device": "cuda"}},
        {"model": {"context": 300}},
        {"evaluation": {"batch_tokens": 999}},
    ],
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


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_second_cell_that_needs_the_same_signals_makes_one_pass_less_and_adds_nothing_to_disk(tmp_path):
    again = {"name": "utility_diversity", "label": "again", "scale": "compat"}
    world = fake_world(tmp_path, selectors=["random", "utility_diversity", again])
    assert world.run("utility_diversity") == "done"
    before = contents(world.desk.layout.shared)
    learner, alone = Counting(), Counting()
    assert world.run("again", learner=learner) == "done"
    assert contents(world.desk.layout.shared) == before
    lonely = dataclasses.replace(world, desk=dataclasses.replace(world.desk, layout=Layout(tmp_path / "elsewhere")))
    assert lonely.run("again", learner=alone) == "done"
    assert learner.passes == alone.passes - 1
    assert_same_cell(lonely.folder("again"), world.folder("again"))


def test_under_granularity_stage_what_was_scored_for_one_budget_serves_all(tmp_path):
    """The first candidates are the whole pool then: one pass of the first stage less for every later cell."""
    training = {"batch_size": 2, "granularity": "stage"}
    grid = {"selectors": ["random", "loss"], "training": training, "budgets": ["10%", "25%", "50%"]}
    shared, alone = (fake_world(tmp_path / name, **grid) for name in ("shared", "alone"))
    alone = dataclasses.replace(alone, desk=desk_with(alone.desk, cache={"megabytes": 0}))
    made = {}
    for world in (shared, alone):
        cells = [cell for cell in world.desk.cells.values() if cell.label == "loss"]
        learners = [Counting() for _ in cells]
        for cell, learner in zip(cells, learners, strict=True):
            desk = world.desk
            with Claims(desk.layout.claims).take(cell.id) as claim:
                read = (desk.config, desk.inputs, world.known, desk.layout)
                assert run_cell(cell, learner, CellContext(*read, lambda: False, Unheard(), claim)) == "done"
        made[world is shared] = np.array([learner.passes for learner in learners])
    assert (made[False] - made[True]).tolist() == [0, 1, 1]
    for cell in cells:
        assert_same_cell(shared.desk.layout.cell(cell.id), alone.desk.layout.cell(cell.id))


def desk_with(desk, **parts):
    """The same desk under another configuration, which must name the same cells."""
    config = AuditConfig.model_validate({**desk.config.model_dump(mode="json"), **parts})
    assert [cell.id for cell in plan_cells(config, desk.inputs)] == list(desk.cells)
    return dataclasses.replace(desk, config=config)


def test_a_cache_of_no_size_keeps_nothing(desk):
    off = desk_with(desk, cache={"megabytes": 0})
    learner, batch = Counting(), desk.inputs.stages["math"].pool.tokens[:5]
    for _ in range(2):
        first_signals(off.config, off.layout).get(learner, batch, SIGNALS)
    assert learner.passes == 2
    assert not off.layout.signals.exists()


def test_an_interrupted_stage_keeps_what_it_scored(tmp_path, monkeypatch):
    desk = desk_of(nano_config(tmp_path, evaluation={"batch_tokens": 150}), tmp_path / "out")

    class Interrupted(Counting):
        def signals(self, batch, needs):
            if self.passes == 3:
                raise KeyboardInterrupt
            return super().signals(batch, needs)

    monkeypatch.setattr(signal_cache, "_CHUNK_TOKENS", 1)
    with pytest.raises(KeyboardInterrupt):
        prepare_stage(Interrupted(), desk.config, desk.inputs, desk.layout, "math")
    resumed, anew = Counting(), Counting()
    prepare_stage(resumed, desk.config, desk.inputs, desk.layout, "math")
    prepare_stage(anew, desk.config, desk.inputs, Layout(desk.layout.root / "elsewhere"), "math")
    assert resumed.passes == anew.passes - 3
