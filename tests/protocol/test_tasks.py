import contextlib
import dataclasses
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import ConfigError, InterruptedRunError, ModelError
from farsighted.learners.causal_lm import CausalLM
from farsighted.protocol.cost import Rates
from farsighted.protocol.notes import kept_model_notes
from farsighted.protocol.tasks import (
    cell_unit,
    clusters_unit,
    run_cell_task,
    run_clusters_task,
    run_measure_task,
    run_stage_task,
    self_test,
    stage_unit,
)
from farsighted.store.claims import Claims
from farsighted.store.layout import MARKER
from farsighted.store.processes import Process
from oracles.fake_world import stop_at
from oracles.families import save_family
from oracles.micro import assert_same_cell, desk_of, nano_config

GRID = {"seeds": [0, 1], "selectors": ["random", "utility_diversity"], "adaptations": ["lora", "full"]}


@pytest.fixture(scope="module")
def desks(tmp_path_factory):
    """The same audit in two folders, with its shared work done in each."""
    made = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("tasks")
        desk = desk_of(nano_config(folder, **GRID), folder / "out")
        for name in desk.inputs.stages:
            run_stage_task(desk, name)
        run_clusters_task(desk)
        made.append(desk)
    return made


def cell_of(desk, selector="random", seed=0, adaptation="lora"):
    wanted = (selector, seed, adaptation)
    return next(cell for cell in desk.cells.values() if (cell.label, cell.seed, cell.adaptation) == wanted)


def meta_of(desk, cell):
    return json.loads((desk.layout.cell(cell.id) / "cell.json").read_text())


@pytest.mark.parametrize(("selector", "adaptation"), [("utility_diversity", "lora"), ("random", "full")])
def test_a_cell_that_runs_twice_gives_the_same_bytes(desks, selector, adaptation):
    cell = cell_of(desks[0], selector, adaptation=adaptation)
    assert [run_cell_task(desk, cell.id) for desk in desks] == ["done", "done"]
    assert_same_cell(*(desk.layout.cell(cell.id) for desk in desks))
    assert meta_of(desks[0], cell)["uninterrupted"]


def test_another_seed_has_another_adapter_another_arrival_order_and_the_same_pools(desks):
    desk = desks[0]
    metas, arrivals = [], []
    for seed in (0, 1):
        cell = cell_of(desk, seed=seed)
        run_cell_task(desk, cell.id)
        metas.append(meta_of(desk, cell))
        arrivals.append(pq.read_table(desk.layout.cell(cell.id) / "selections.parquet")["id"].to_pylist())
    assert metas[0]["adapter_hash"] != metas[1]["adapter_hash"]
    assert arrivals[0] != arrivals[1]
    assert sorted(arrivals[0]) == sorted(arrivals[1])
    assert metas[0]["selection_hash"] != metas[1]["selection_hash"]
    assert metas[0]["pool_hashes"] == metas[1]["pool_hashes"]


def test_a_finished_cell_is_not_run_again(desks):
    desk, cell = desks[0], cell_of(desks[0])
    run_cell_task(desk, cell.id)
    marker = desk.layout.cell(cell.id) / MARKER
    before = marker.stat().st_mtime_ns
    assert run_cell_task(desk, cell.id) == "done"
    assert marker.stat().st_mtime_ns == before


def test_what_another_process_works_on_is_left_to_it_at_once(tmp_path):
    desk = desk_of(nano_config(tmp_path), tmp_path / "out")
    cell, claims = cell_of(desk), Claims(desk.layout.claims)
    read = (desk.config, desk.inputs, desk.layout)
    units = [stage_unit(*read, "math"), clusters_unit(*read), cell_unit(desk.layout, cell.id)]
    for unit in units:
        claims.take(unit.claim)
    told = [run_stage_task(desk, "math"), run_clusters_task(desk), run_cell_task(desk, cell.id)]
    assert told == [{"held_by": str(Process.here())}] * 3
    assert [unit.is_done() for unit in units] == [False] * 3
    assert [path.name for path in desk.layout.root.iterdir()] == ["claims"]


def test_a_cell_that_was_taken_over_is_left_to_the_other_process_and_said(desks, caplog):
    desk, cell = desks[0], cell_of(desks[0], "utility_diversity", seed=1)
    others = []

    def taken_over():
        if not others:
            (claim,) = desk.layout.claims.glob(f"{cell.id}/*/*")
            os.utime(claim, (0, 0))
            others.append(Claims(desk.layout.claims).take(cell.id))
        return False

    assert run_cell_task(dataclasses.replace(desk, should_stop=taken_over), cell.id) == {"held_by": str(Process.here())}
    assert not desk.layout.finished(cell.id)
    assert f"'{cell.id}' was taken over by process" in caplog.text


@pytest.mark.parametrize("run", [run_cell_task, run_measure_task])
def test_a_cell_that_is_no_longer_planned_is_refused_with_a_way_out(desks, run):
    with pytest.raises(ConfigError, match=r"f00 is no longer part of this audit.*Run the same command again"):
        run(desks[0], "f00")


def test_a_model_that_fails_its_self_test_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    def fail(self, batch):
        raise ModelError("its gradients are not what they must be")

    desk = desk_of(nano_config(tmp_path), tmp_path / "out")
    monkeypatch.setattr(CausalLM, "self_test", fail)
    with pytest.raises(ModelError, match="its gradients"):
        run_stage_task(desk, "math")
    assert not desk.layout.shared.exists()


def test_every_adaptation_is_tested_before_the_shared_work(tmp_path, monkeypatch):
    tested = []
    whole = CausalLM.self_test

    def note(self, batch):
        tested.append(self.backward_cost)
        whole(self, batch)

    desk = desk_of(nano_config(tmp_path, adaptations=["lora", "full"]), tmp_path / "out")
    monkeypatch.setattr(CausalLM, "self_test", note)
    run_stage_task(desk, "math")
    assert sorted(tested) == [1.0, 2.0]


def test_what_is_found_of_the_model_is_kept_for_the_plan(tmp_path):
    model = {"path": str(save_family("mixtral", tmp_path / "model")), "context": 400}
    config = nano_config(tmp_path, model=model, lora={"r": 2})
    desk = desk_of(config, tmp_path / "out")
    run_stage_task(desk, "math")
    (note,) = kept_model_notes(desk.config, desk.inputs, desk.layout)
    assert note.startswith("LoRA on all-linear leaves out the routers and experts")
    assert self_test(desk.config, desk.inputs) == (note,)


def test_measuring_gives_json_and_writes_nothing(desks, tmp_path):
    desk = dataclasses.replace(desks[0], layout=dataclasses.replace(desks[0].layout, root=tmp_path / "out"))
    found = run_measure_task(desk, cell_of(desk, "utility_diversity").id)
    assert Rates(**json.loads(json.dumps(found))).label == "utility_diversity"
    assert not (tmp_path / "out").exists()


WEIGHTED = {
    "selectors": [
        "random",
        *({"name": "oracles.weighted:Weighing", "signal": name, "label": name} for name in ("nll", "grad_norm")),
    ],
    "lora": {"r": 2, "alpha": 4, "targets": ["q_proj"]},
}


@pytest.mark.parametrize("granularity", ["batch", "round"])
def test_a_language_model_is_trained_with_importance_weights_and_goes_on_from_a_checkpoint(tmp_path, granularity):
    """By gradient norm, the step comes from the scoring pass where a round has one step."""
    config = nano_config(tmp_path, **WEIGHTED, training={"batch_size": 2, "granularity": granularity, "rounds": 2})
    whole, broken = (prepared_desk(config, tmp_path / name) for name in ("whole", "broken"))
    for label in ("nll", "grad_norm"):
        cell = cell_of(whole, label)
        assert run_cell_task(whole, cell.id) == "done"
        table = pq.read_table(whole.layout.cell(cell.id) / "selections.parquet")
        assert np.isfinite(table["weight"].to_numpy()).all()
        status = None
        while status is None:
            with contextlib.suppress(InterruptedRunError):
                status = run_cell_task(dataclasses.replace(broken, should_stop=stop_at(3)), cell.id)
        assert_same_cell(*(desk.layout.cell(cell.id) for desk in (whole, broken)))
    assert run_cell_task(whole, cell_of(whole).id) == "done"
    table = pq.read_table(whole.layout.cell(cell_of(whole).id) / "selections.parquet")
    assert "weight" not in table.column_names


def prepared_desk(config, out):
    desk = desk_of(config, out)
    for name in desk.inputs.stages:
        run_stage_task(desk, name)
    run_clusters_task(desk)
    return desk
