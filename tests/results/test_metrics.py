import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from farsighted.metrics import matrix
from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.report.write import write_results
from farsighted.results.columns import Column
from farsighted.results.metrics import (
    DIAGNOSTICS,
    METRICS,
    Metric,
    OnScorecard,
    Weights,
    all_rows,
    inputs_of,
    level,
    records_of,
    values_of,
    variants,
)
from farsighted.results.set_scores import measured
from oracles.fabricated_cells import items_of, make_audit, make_cell, results_of, save_audit, three_selectors, wanted

WEIGHTS = Weights(HorizonWeights(), ULongWeights())


def values(scores):
    return values_of(METRICS.values(), inputs_of(measured(items_of(scores)), WEIGHTS))


def test_every_metric_of_a_known_cell_is_what_a_hand_finds():
    by_hand = {
        "current": 60,  # 20 + 40, every stage
        "immediate_gain": 40,
        "final_average": 55,  # 50, 55, 60
        "forgetting": 7.5,  # 10 and 5
        "forward_transfer": 0,
        "future_auc": 0.4,  # a straight line from 20 to 60
        "future_auc_own": 0.4,
        "capability_imbalance": np.sqrt(50 / 3),  # deviations -5, 0, 5
        "worst_task": 50,
        "ood": 50,
        "long_horizon": (0.55 + 0.4 + 0.925 + 0.5) / 4,
        "u_long": 1.65 + 0.8 - 0.15 + 0.5,
    }
    found = values(wanted(gain=40, fall=5, ood=50))
    assert {key: float(value) for key, value in found.items()} == pytest.approx(by_hand)
    assert {*by_hand, "tokens_to_threshold"} == set(METRICS)


def test_variants_of_forgetting_are_what_a_hand_finds():
    # Stage 1: 60, 55, 50; stage 2: 60, 55. Best before the last row is the first in both.
    found = variants(measured(items_of(wanted(fall=5))))
    assert {key: float(value) for key, value in found.items()} == pytest.approx(
        {"forgetting_chaudhry": 7.5, "forgetting_gem_bwt": -7.5, "forgetting_avalanche": 7.5}
    )


def test_diagnostics_are_what_the_run_recorded_and_nan_where_it_did_not():
    meta = make_cell("loss", 0, wanted()).meta
    found = values_of(DIAGNOSTICS.values(), records_of(meta))
    assert found == pytest.approx(
        {
            "capability_entropy": 1.5,
            "mean_difficulty": 0.5,
            "mean_quality": np.nan,
            "update_concentration": 0.4,
            "adapter_drift": 0.375,  # 0.25 and 0.5; the first stage has none
        },
        nan_ok=True,
    )


def test_ood_is_the_mean_over_sets_not_over_items():
    scores = wanted()
    scores.ood = {"a": 30.0, "b": 70.0, "c": 80.0}
    assert float(values(scores)["ood"]) == pytest.approx(60)


def test_a_stage_without_probe_leaves_what_needs_its_area_missing():
    scores = wanted()
    scores.neutral = scores.neutral[:1]
    found = values(scores)
    assert np.isnan([float(found[key]) for key in ("future_auc", "long_horizon", "u_long")]).all()
    assert float(found["future_auc_own"]) == pytest.approx(0.4)


def test_a_row_whose_needs_are_not_there_is_left_out():
    row = METRICS["tokens_to_threshold"]
    assert values_of([row], {}) == {}
    assert "tokens_to_threshold" not in values(wanted())


def test_a_row_may_need_a_row_above_it():
    double = Metric(Column("double", "Double", None, 1), "points", "current", lambda current: 2 * current, ("current",))
    found = values_of([METRICS["current"], double], inputs_of(measured(items_of(wanted(gain=40))), WEIGHTS))
    assert float(found["double"]) == 120


def test_every_row_goes_by_its_key_and_no_two_share_a_place_on_the_scorecard():
    assert all(key == row.key for key, row in all_rows().items())
    assert len(all_rows()) == len(METRICS) + len(DIAGNOSTICS)
    places = [row.scorecard for row in all_rows().values() if row.scorecard]
    assert len(places) == len(set(places)) == len(level(1)) + len(level(2))


def test_every_row_is_defined_under_a_heading_of_the_definitions():
    lines = (Path(__file__).parents[2] / "docs" / "definitions.md").read_text().splitlines()
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in lines if line.startswith("#")}
    assert {row.anchor for row in all_rows().values()} <= headings


def spread(score_ST):
    """The range of the final model's scores, in points: a metric that the package does not have."""
    final_T = score_ST[..., -1, :]
    return final_T.max(axis=-1) - final_T.min(axis=-1)


ROW = Metric(
    Column("spread", "Spread", "lower", 1), "points", "current", spread, ("matrix_ST",), scorecard=OnScorecard(1, 9)
)


@pytest.fixture
def results(monkeypatch, tmp_path):
    """The results and the folder of an audit, reported with one more row in the table."""
    monkeypatch.setitem(METRICS, "spread", ROW)
    cells = three_selectors()
    save_audit(tmp_path, cells, make_audit(cells))
    write_results(tmp_path)
    return json.loads((tmp_path / "results.json").read_text()), tmp_path


def test_a_metric_that_is_one_function_and_one_row_reaches_results_tables_and_its_level(results):
    value, root = results
    cell = next(cell for cell in value["cells"] if cell["selector"] == "random")
    final = cell["score_matrix"][-1]
    assert cell["metrics"]["spread"] == pytest.approx(max(final) - min(final))
    summary = next(entry for entry in value["summary"] if entry["selector"] == "loss")
    assert summary["metrics"]["spread"]["n"] == 2
    assert summary["metrics"]["spread"]["low"] is not None
    assert summary["difference"]["spread"]["mean"] == pytest.approx(
        summary["metrics"]["spread"]["mean"]
        - next(e for e in value["summary"] if e["selector"] == "random")["metrics"]["spread"]["mean"]
    )
    table = list(csv.DictReader(io.StringIO((root / "tables" / "metrics_canonical_25pct_lora.csv").read_text())))
    assert float(table[0]["spread"]) == pytest.approx(max(final) - min(final))
    one, two = (root / "scorecard.md").read_text().split("## Level 1: now")[1].split("## Level 2: later")
    assert "| Immediate gain ↑ | Spread ↓ | Trained tokens |" in one
    assert "Spread" not in two


def test_a_new_metric_that_is_missing_says_why(monkeypatch):
    row = Metric(
        Column("learned", "Learned", "higher", 1),
        "points",
        "immediate-gain",
        matrix.immediate_gain,
        ("matrix_ST",),
        missing="no",
    )
    monkeypatch.setitem(METRICS, "learned", row)
    scores = wanted()
    scores.matrix[0][1] = None
    scores.matrix[1][1] = None
    cells = [make_cell("random", 0, scores)]
    assert results_of(cells, make_audit(cells))["cells"][0]["missing"]["learned"] == "no"
