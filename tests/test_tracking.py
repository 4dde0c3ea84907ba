"""A tracker of an installed package hears every number of an audit, whoever runs its cells."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from farsighted.api import audit
from farsighted.core.readings import Reading
from farsighted.store.layout import Layout
from oracles.micro import nano_config
from oracles.recorder import Recorder

STAGE_AFTER = {0: None, 1: "general", 2: "math"}


@pytest.fixture(scope="module", params=["inline", "local"])
def followed(request, tmp_path_factory):
    """An audit of two cells, and the tracker that followed it."""
    folder = tmp_path_factory.mktemp(request.param)
    info = folder / "recording-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recording\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[farsighted.trackers]\nrecorder = oracles.recorder:Recorder\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        audit(nano_config(folder), folder / "out", workers=2, executor=request.param, trackers=["recorder"])
    return Layout(folder / "out"), Recorder.made[-1]


def cells(layout):
    return json.loads(layout.audit.read_text())["cells"]


def in_any_order(readings):
    return Counter(map(repr, readings))


def test_it_knows_the_folder_and_the_configuration(followed):
    layout, tracker = followed
    assert tracker.folder == layout.root
    assert tracker.config == json.loads(layout.audit.read_text())["config"]
    assert (tracker.entered, tracker.left) == (True, "in peace")


def test_it_hears_loss_and_gradient_norm_of_every_step_of_every_cell(followed):
    layout, tracker = followed
    wanted = []
    for cell in cells(layout):
        for stage in json.loads((layout.cell(cell["id"]) / "cell.json").read_text())["per_stage"]:
            assert len(stage["losses"]) == stage["steps"] > 0
            for what, key in (("loss", "losses"), ("grad_norm", "grad_norms")):
                values = enumerate(stage[key], start=1)
                wanted += [Reading(what, value, cell["id"], stage["stage"], step) for step, value in values]
    assert in_any_order(tracker.readings("loss", "grad_norm")) == in_any_order(wanted)


def test_it_hears_the_score_of_every_set_at_every_boundary_and_of_every_probe_point(followed):
    layout, tracker = followed
    heard = tracker.readings("score", "probe_neutral", "probe_own")
    found = {(r.what, r.cell, r.stage, r.step, r.set): r.value for r in heard}
    assert len(found) == len(heard)
    wanted = {}
    for cell in cells(layout):
        for row in pq.read_table(layout.cell(cell["id"]) / "scores.parquet").to_pylist():
            probe = row["kind"].startswith("probe")
            place = (STAGE_AFTER[row["after_stage"]], row["point"] if probe else None, row["set"])
            key = (row["kind"] if probe else "score", cell["id"], *place)
            wanted.setdefault(key, []).append(row["score"])
    assert found == pytest.approx({key: np.mean(values) for key, values in wanted.items()})


def test_it_hears_every_verdict_and_mean_of_the_finished_audit_last(followed):
    layout, tracker = followed
    summary = json.loads(layout.results.read_text())["summary"]
    last = tracker.said[-1][2]
    assert last.what == "verdict"
    verdicts = {reading.cell.split(",")[0]: reading.value for reading in tracker.readings("verdict")}
    first = {entry["selector"]: entry["verdicts"][:1] for entry in summary}
    assert verdicts == {name: found[0]["verdict"] if found else None for name, found in first.items()}
    assert "no verdict" in verdicts.values()
    for key in ("current", "long_horizon", "update_concentration"):
        part = "metrics" if key in summary[0]["metrics"] else "diagnostics"
        assert [r.value for r in tracker.readings(key)] == [entry[part][key]["mean"] for entry in summary]


def test_both_executors_tell_the_same_numbers_cell_by_cell(tmp_path):
    told = {}
    for executor in ("inline", "local"):
        audit(nano_config(tmp_path), tmp_path / executor, workers=2, executor=executor, trackers=[Recorder])
        readings = Recorder.made[-1].readings()
        told[executor] = {name: [r for r in readings if r.cell == name] for name in {r.cell for r in readings}}
    assert told["inline"] == told["local"]
    assert len(told["inline"]) == 2 + 2


def test_a_tracker_that_fails_does_not_cost_the_audit(tmp_path):
    def failing(folder, config):
        raise ConnectionError("the server is gone")

    with pytest.warns(RuntimeWarning, match="ConnectionError: the server is gone"):
        paths = audit(nano_config(tmp_path), tmp_path / "out", executor="inline", trackers=[failing])
    results = json.loads(paths.results.read_text())
    assert {cell["status"] for cell in results["cells"]} == {"done"}
