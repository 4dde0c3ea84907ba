"""Whole small audits with each kind of adapter beside lora."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from farsighted.api import prepare, run_cells
from farsighted.config.load import load_config
from farsighted.launch.observers import Silent
from farsighted.launch.work import Launch
from farsighted.store.layout import Layout
from farsighted.store.reader import read_meta, read_plan
from oracles.micro import nano_config

MODES = {"prompt_tuning": 1e-2, "p_tuning": 1e-3, "prefix_tuning": 1e-3, "p_tuning_v2": 1e-2, "bottleneck": 2e-3}
SELECTORS = ["random", "gradient", "lhas"]


@pytest.fixture(scope="module", params=MODES)
def run(request, tmp_path_factory):
    """Two stages, the second scored by what the model writes; three selectors, the adapter and lora beside it."""
    folder = tmp_path_factory.mktemp(request.param)
    config = nano_config(
        folder,
        selectors=SELECTORS,
        adaptations=[request.param, "lora"],
        training={"batch_size": 2},
        probe={"items": 3},
        evaluation={"max_new_tokens": 6},
    )
    config["stages"][1]["measure"] = "exact_answer"
    assert run_cells(prepare(load_config(config)), folder / "out", Launch(1, "inline"), Silent(), None) == ()
    layout = Layout(folder / "out")
    return request.param, layout, [read_meta(layout.cell(row["id"])) for row in read_plan(layout)["cells"]]


def of_mode(run):
    mode, _, metas = run
    return {meta["selector"]: meta for meta in metas if meta["adaptation"] == mode}


def test_all_cells_end_and_start_from_one_state(run):
    _, _, metas = run
    assert {meta["status"] for meta in metas} == {"done"}
    assert len(metas) == 2 * len(SELECTORS)
    assert len({meta["adapter_hash"] for meta in of_mode(run).values()}) == 1
    assert len({meta["adapter_hash"] for meta in metas}) == 2


def test_budgets_and_draws_are_those_of_lora(run):
    """Virtual tokens are no response tokens, and random picks do not look at the model."""
    _, layout, metas = run
    random = [meta for meta in metas if meta["selector"] == "random"]
    assert len({meta["selection_hash"] for meta in random}) == 1
    for stage in (0, 1):
        assert len({meta["per_stage"][stage]["trained_tokens"] for meta in random}) == 1
        tokens = [meta["per_stage"][stage]["trained_tokens"] for meta in metas]
        table = pq.read_table(layout.cell(metas[0]["id"]) / "selections.parquet")
        assert max(tokens) - min(tokens) < max(table["tokens"].to_pylist())


def test_losses_diagnostics_and_scores_are_numbers(run):
    _, layout, _ = run
    for meta in of_mode(run).values():
        assert all(np.isfinite(stage["losses"]).all() for stage in meta["per_stage"])
        assert all(0 < stage["update_concentration"] <= 1 + 1e-6 for stage in meta["per_stage"])
        assert meta["per_stage"][0]["adapter_drift"] is None
        assert 0 <= meta["per_stage"][1]["adapter_drift"] <= 2
        scores = pq.read_table(layout.cell(meta["id"]) / "scores.parquet")
        assert np.isfinite(scores["score"].to_numpy()).all()
        assert any(text is not None for text in scores["generated"].to_pylist())


def test_selectors_that_look_at_gradients_choose_by_this_model(run):
    """The gradient's norm under another adapter ranks the same candidates another way."""
    _, layout, metas = run
    norms = [
        pq.read_table(layout.cell(meta["id"]) / "selections.parquet")["score"].to_numpy()
        for meta in metas
        if meta["selector"] == "gradient"
    ]
    assert all((row > 0).all() for row in norms)
    assert not np.array_equal(*norms)


def test_every_cell_and_the_notes_name_the_rate_and_the_probe(run):
    mode, layout, metas = run
    assert {meta["learning_rate"] for meta in of_mode(run).values()} == {MODES[mode]}
    assert {meta["probe_steps"] for meta in metas} == {1}
    notes = read_plan(layout)["notes"]
    assert any(note.startswith(f"{mode} trains at a peak learning rate of {MODES[mode]:g} (") for note in notes)
    assert any(note.startswith("The neutral probe trains 1 optimizer step (half of") for note in notes)
