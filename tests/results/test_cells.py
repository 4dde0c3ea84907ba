import pytest

from farsighted.results.cells import absent_value, stability
from farsighted.results.columns import COSTS, STABILITY
from farsighted.results.metrics import DIAGNOSTICS, METRICS, VARIANTS
from oracles.fabricated_cells import make_audit, make_cell, per_stage, results_of, wanted


def entry_of(cell, *others, **kwargs):
    return results_of([cell, *others], make_audit([cell, *others], **kwargs))["cells"][0]


def test_an_entry_has_every_key_and_a_reason_for_every_null():
    entry = entry_of(make_cell("random", 0, wanted()))
    assert list(entry["metrics"]) == list(METRICS)
    assert list(entry["diagnostics"]) == list(DIAGNOSTICS)
    assert list(entry["variants"]) == list(VARIANTS)
    assert list(entry["cost"]) == list(COSTS)
    assert list(entry["stability"]) == list(STABILITY)
    nulls = {key for part in ("metrics", "diagnostics") for key, value in entry[part].items() if value is None}
    assert nulls == entry["missing"].keys() == {"mean_quality"}
    assert entry["missing"]["mean_quality"] == "no example has a quality"


def test_an_absent_entry_has_the_keys_of_one_that_ran():
    cell = make_cell("random", 0, wanted())
    ran, absent = entry_of(cell), absent_value(cell.meta)
    assert absent.keys() == ran.keys()
    for part in ("metrics", "diagnostics", "variants", "cost", "stability"):
        assert absent[part].keys() == ran[part].keys()
        assert set(absent[part].values()) == {None}
    assert absent["status"] == "missing"


def test_costs_are_summed_over_stages():
    cost = entry_of(make_cell("random", 0, wanted()))["cost"]
    assert cost == {
        "trained_tokens": 3000,
        "scored_tokens": 12000,
        "warm_up_tokens": 0,
        "scoring_seconds": 4.5,
        "training_seconds": 6.0,
        "evaluation_seconds": 3.0,
        "probe_seconds": 2.0,
        "probe_tokens": 400,
    }


def test_adapter_drift_is_the_mean_over_the_stages_after_the_first():
    assert entry_of(make_cell("random", 0, wanted()))["diagnostics"]["adapter_drift"] == pytest.approx(0.375)


def test_one_stage_has_no_future_and_says_so():
    cell = make_cell("random", 0, wanted(stages=("math",)), stages=("math",))
    entry = entry_of(cell)
    one = "there is only one stage, and nothing follows it"
    for key in ("forgetting", "forward_transfer", "future_auc", "future_auc_own", "tokens_to_threshold"):
        assert entry["missing"][key] == one
    assert entry["missing"]["adapter_drift"] == one
    assert entry["missing"]["long_horizon"] == "needs future_auc and forgetting"
    assert entry["metrics"]["current"] == 60
    assert entry["metrics"]["u_long"] == pytest.approx(0.6 + 0.5)


def test_a_run_that_evaluates_the_past_alone_has_no_forward_transfer():
    scores = wanted()
    scores.matrix = [[v if j <= i else None for j, v in enumerate(row, 1)] for i, row in enumerate(scores.matrix)]
    entry = entry_of(make_cell("random", 0, scores))
    assert entry["score_matrix"][0] == [None, None, None]
    assert entry["missing"]["forward_transfer"] == "the score matrix has cells that were not evaluated"
    assert entry["metrics"]["forgetting"] == pytest.approx(7.5)


def test_without_ood_sets_the_reason_reaches_the_long_horizon_score():
    scores = wanted()
    scores.ood = {}
    missing = entry_of(make_cell("random", 0, scores))["missing"]
    assert missing["ood"] == "no OOD set was evaluated after the last stage"
    assert missing["long_horizon"] == missing["u_long"] == "needs ood"


def test_a_part_of_weight_zero_is_not_needed():
    scores = wanted()
    scores.ood = {}
    cell = make_cell("random", 0, scores)
    audit = make_audit([cell])
    audit["config"]["long_horizon"]["ood"] = 0.0
    entry = results_of([cell], audit)["cells"][0]
    assert entry["metrics"]["long_horizon"] == pytest.approx((0.55 + 0.4 + 0.925) / 3)


def test_tokens_to_threshold_need_the_reference_of_the_same_seed():
    loss, random = make_cell("loss", 0, wanted()), make_cell("random", 1, wanted())
    entry = entry_of(loss, random)
    assert "needs the complete neutral probes of this cell and of 'random'" in entry["missing"]["tokens_to_threshold"]
    assert entry["censored"] is None


def test_a_reference_that_needs_no_tokens_gives_no_ratio():
    loss, random = make_cell("loss", 0, wanted(rise=10)), make_cell("random", 0, wanted(start=50, rise=1))
    assert "'random' starts every probe" in entry_of(loss, random)["missing"]["tokens_to_threshold"]


def test_a_diverged_cell_keeps_its_scores_but_has_no_metrics():
    scores = wanted()
    scores.matrix = scores.matrix[:2] + [[None] * 3] * 2
    scores.ood, scores.neutral, scores.own = {}, [], []
    reason = "The loss of stage 'math' is not finite."
    cell = make_cell("random", 0, scores, status="diverged", reason=reason, example_ids=["math-7"])
    entry = entry_of(cell)
    assert set(entry["metrics"].values()) | set(entry["diagnostics"].values()) == {None}
    assert set(entry["missing"].values()) == {f"the cell diverged: {reason}"}
    assert entry["score_matrix"][1] == [60, 20, 20]
    assert entry["example_ids"] == ["math-7"]


def test_stability_counts_within_stages_and_never_twice():
    calm = per_stage("a", 0)
    rough = {**calm, "losses": [1.0] * 5 + [9.0, None, None], "grad_norms": [1.0] * 6 + [None, 40.0]}
    # The last stage starts high, which is no spike; step 7 has neither a finite loss nor a finite norm: one step.
    high = {**calm, "losses": [50.0] * 6}
    assert stability([calm, rough, high]) == {"non_finite": 2, "loss_spikes": 1, "grad_norm_spikes": 1}
