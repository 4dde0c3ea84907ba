"""The quadratic world through the whole audit: the same protocol, selectors and metrics as a language model's."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from farsighted import audit
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.protocol.inputs import load_inputs
from farsighted.protocol.plan import plan_cells
from farsighted.store.layout import Layout
from farsighted.store.reader import read_meta

SMALL = (
    "quadratic={stages: [a, b, c], train: 128, validation: 30, ood: 20, proxy: 4}",
    "seeds=[0,1]",
    "probe={steps: 2, points: 2, items: 30}",
    "statistics.resamples=50",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("quadratic")
    audit("quadratic", out, SMALL, workers=1)
    return out


def test_all_seven_selectors_and_the_reference_run_through_all_stages(run):
    results = json.loads((run / "results.json").read_text())
    assert len(results["cells"]) == 16
    assert {cell["status"] for cell in results["cells"]} == {"done"}
    assert not [row for row in results["summary"] if row["metrics"]["future_auc"]["mean"] is None]


def test_results_say_how_each_set_is_scored(run):
    sets = json.loads((run / "results.json").read_text())["sets"]
    assert set(sets) == {"a", "b", "c", "a_shifted", "b_shifted", "c_shifted"}
    assert sets["a"] == {"measure": "likelihood", "chance": 0.0, "ceiling": 1.0, "items": 30}


def test_the_score_of_a_set_is_100_exp_of_minus_the_loss(run):
    import pyarrow.parquet as pq

    scores = pq.read_table(run / "scores.parquet").to_pandas()
    assert np.allclose(scores["score"], 100 * np.exp(-scores["nll"]))


def test_cells_of_one_seed_start_from_the_same_subspace_and_seeds_from_their_own(run):
    config = load_config("quadratic", SMALL)
    cells = plan_cells(config, load_inputs(config))
    found = {(cell.seed, read_meta(Layout(run).cell(cell.id))["adapter_hash"]) for cell in cells}
    assert len(found) == 2


def test_the_same_audit_again_runs_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in (run / "cells").rglob("*")}
    audit("quadratic", run, SMALL, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (run / "cells").rglob("*")} == before


def test_another_world_is_another_audit():
    config = load_config("quadratic", SMALL)
    other = load_config("quadratic", [*SMALL, "data.seed=1"])
    ids = [{cell.id for cell in plan_cells(c, load_inputs(c))} for c in (config, other)]
    assert not ids[0] & ids[1]


def test_full_training_runs_beside_the_subspace(tmp_path):
    audit("quadratic", tmp_path, [*SMALL, "seeds=[0]", "adaptations=[lora,full]", "selectors=[random,lhas]"])
    results = json.loads((tmp_path / "results.json").read_text())
    assert {cell["adaptation"] for cell in results["cells"]} == {"lora", "full"}


def test_a_rank_beyond_the_world_ends_the_audit_with_the_reason(tmp_path):
    with pytest.raises(ConfigError, match=r"`lora\.r` must be at most"):
        audit("quadratic", tmp_path, [*SMALL, "lora.r=100"])


def test_a_cell_of_the_quadratic_world_needs_no_torch(tmp_path):
    # It takes longer to import than the cell to run.
    program = f"""
import sys
from pathlib import Path
from farsighted.config.load import load_config
from farsighted.core.readings import Unheard
from farsighted.protocol.inputs import load_inputs
from farsighted.protocol.plan import plan_cells
from farsighted.protocol.tasks import Desk, run_cell_task, run_clusters_task, run_stage_task
from farsighted.store.layout import Layout
config = load_config("quadratic", {[*SMALL, "selectors=[random,lhas]", "references=[]"]!r})
inputs = load_inputs(config)
cells = {{cell.id: cell for cell in plan_cells(config, inputs)}}
desk = Desk(config, inputs, cells, Layout(Path({str(tmp_path)!r})), lambda: False, Unheard())
for name in inputs.stages:
    run_stage_task(desk, name)
run_clusters_task(desk)
assert run_cell_task(desk, list(cells)[1]) == "done"
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importance_weights_are_trained_with_and_written_down(tmp_path):
    """The same ranking with and without weights: the first picks are the same, and training differs."""
    own = "{name: 'oracles.weighted:Weighing', signal: grad_norm, label: weighing}"
    audit("quadratic", tmp_path, [*SMALL, "seeds=[0]", f"selectors=[random,gradient,{own}]"])
    config = load_config("quadratic", [*SMALL, "seeds=[0]", f"selectors=[random,gradient,{own}]"])
    tables = {}
    for cell in plan_cells(config, load_inputs(config)):
        tables[cell.label] = pq.read_table(Layout(tmp_path).cell(cell.id) / "selections.parquet")
    plain, weighted = tables["gradient"], tables["weighing"]
    assert "weight" not in plain.column_names
    score = weighted["score"].to_numpy()
    np.testing.assert_allclose(weighted["weight"].to_numpy(), 1 / (0.25 + score), rtol=1e-12)
    first = pc.field("stage_index") * 1000 + pc.field("step") == 1000
    assert plain.filter(first)["score"].to_pylist() == weighted.filter(first)["score"].to_pylist()
    assert plain["score"].to_pylist() != weighted["score"].to_pylist()
