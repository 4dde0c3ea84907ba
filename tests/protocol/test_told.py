"""What a cell tells while it runs, against what it leaves on disk."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from farsighted.core.readings import Reading
from farsighted.testing.fake_learner import FakeLearner
from oracles.fake_world import Hearing, fake_world, stop_at

STAGES = ("general", "math")


@pytest.fixture
def world(tmp_path):
    return fake_world(tmp_path)


def told(world, what, **changes):
    hearing = Hearing()
    world.run("random", listener=hearing, **changes)
    return [reading for reading in hearing.readings if reading.what in what]


def recorded_steps(world):
    """Loss and gradient norm of every optimizer step in cell.json, in order."""
    meta = json.loads((world.folder("random") / "cell.json").read_text())
    found = []
    for stage in meta["per_stage"]:
        for step, (loss, norm) in enumerate(zip(stage["losses"], stage["grad_norms"], strict=True), start=1):
            place = (world.cell("random").id, stage["stage"], step)
            found += [Reading("loss", loss, *place), Reading("grad_norm", norm, *place)]
    return found


def recorded_scores(world):
    """The mean of every set at every place in scores.parquet."""
    rows = pq.read_table(world.folder("random") / "scores.parquet").to_pylist()
    groups = {}
    for row in rows:
        groups.setdefault((row["kind"], row["after_stage"], row["set"], row["point"]), []).append(row["score"])
    return {key: np.mean(values) for key, values in groups.items()}


def test_every_step_is_told_once_with_its_loss_and_gradient_norm(world):
    found = told(world, ("loss", "grad_norm"))
    assert found == recorded_steps(world)
    assert {reading.stage for reading in found} == set(STAGES)


def test_every_set_is_told_at_every_boundary_and_every_point_of_a_probe(world):
    found = told(world, ("score", "probe_neutral", "probe_own"))
    wanted = recorded_scores(world)
    assert len(found) == len(wanted)
    after = {None: 0, "general": 1, "math": 2}
    for reading in found:
        kinds = (reading.what,) if reading.what != "score" else ("validation", "ood")
        keys = [(kind, after[reading.stage], reading.set, reading.step or 0) for kind in kinds]
        (key,) = (key for key in keys if key in wanted)
        assert reading.value == pytest.approx(wanted[key])


def test_the_steps_of_a_neutral_probe_are_told_too(world):
    found = told(world, ("probe_loss", "probe_grad_norm"))
    assert [(reading.what, reading.stage, reading.step) for reading in found] == [
        (what, "general", step) for step in (1, 2) for what in ("probe_loss", "probe_grad_norm")
    ]
    assert all(math.isfinite(reading.value) for reading in found)


def test_a_cell_that_goes_on_tells_only_what_is_new(world, tmp_path):
    whole = fake_world(tmp_path / "whole")
    everything = Hearing()
    whole.run("random", listener=everything)
    parts, status = [], "interrupted"
    while status == "interrupted":
        hearing = Hearing()
        status = world.run("random", listener=hearing, should_stop=stop_at(2))
        parts.append(hearing.readings)
    assert len(parts) > 2
    assert [reading for part in parts for reading in part] == everything.readings


class Overflowing(FakeLearner):
    """Its second step fails."""

    steps = 0

    def step(self, batch, dropout, weight=None):
        self.steps += 1
        if self.steps == 2:
            self._weight_D = np.full_like(self._weight_D, np.nan)
        return super().step(batch, dropout, weight)


def test_the_step_at_which_a_cell_diverges_is_told_as_it_is(world):
    hearing = Hearing()
    assert world.run("random", learner=Overflowing(), listener=hearing) == "diverged"
    losses = [reading.value for reading in hearing.readings if reading.what == "loss"]
    stage = json.loads((world.folder("random") / "cell.json").read_text())["per_stage"][0]
    assert [None if math.isnan(loss) else loss for loss in losses] == stage["losses"]
    assert stage["losses"][-1] is None
