import pytest

from farsighted.results.metrics import DIAGNOSTICS, METRICS
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted


def summary_of(cells, **kwargs):
    return {entry["selector"]: entry for entry in results_of(cells, make_audit(cells, **kwargs))["summary"]}


def test_mean_and_sd_are_over_seeds():
    current = summary_of(three_selectors(seeds=(0, 1, 2)))["loss"]["metrics"]["current"]
    assert (current["mean"], current["sd"], current["n"]) == pytest.approx((65, 1, 3))  # 64, 65, 66
    assert current["low"] < 65 < current["high"]


def test_every_summary_has_every_number_with_its_spread():
    for entry in summary_of(three_selectors()).values():
        assert list(entry["metrics"]) == list(METRICS)
        assert list(entry["diagnostics"]) == list(DIAGNOSTICS)
        for number in [*entry["metrics"].values(), *entry["diagnostics"].values()]:
            assert list(number) == ["mean", "sd", "low", "high", "n"]


def test_a_number_that_no_seed_has_is_none_with_n_zero():
    entry = summary_of(three_selectors())["loss"]
    assert entry["diagnostics"]["mean_quality"] == {"mean": None, "sd": None, "low": None, "high": None, "n": 0}


def test_a_constant_difference_has_a_degenerate_interval():
    summary = summary_of(three_selectors())
    long = summary["loss"]["difference"]["long_horizon"]
    # final average -1, AUC -0.1, forgetting +7.5, OOD -10: (-0.01 - 0.1 - 0.075 - 0.1) / 4
    assert (long["mean"], long["low"], long["high"]) == pytest.approx((-0.07125,) * 3)


def test_no_selector_is_judged_beside_itself_and_reference_rows_not_at_all():
    summary = summary_of(three_selectors())
    assert summary["random"]["difference"] is None
    assert [found["reference"] for found in summary["random"]["verdicts"]] == ["random_matched"]
    assert summary["random_matched"]["verdicts"] == []
    assert summary["random_matched"]["difference"]["current"]["mean"] == pytest.approx(2)


def test_a_difference_uses_the_seeds_that_both_have():
    cells = [
        cell for cell in three_selectors(seeds=(0, 1, 2)) if (cell.meta["selector"], cell.meta["seed"]) != ("random", 1)
    ]
    entry = summary_of(cells)["loss"]
    assert entry["verdicts"][0]["paired_seeds"] == [0, 2]
    assert entry["seeds"] == [0, 1, 2]
    assert entry["difference"]["current"]["mean"] == pytest.approx(4)


def test_a_diverged_seed_counts_in_stability_but_not_in_means():
    rough = make_cell("loss", 1, wanted(gain=99), status="diverged", reason="x")
    rough.meta["per_stage"][0]["losses"] = [None]
    cells = [make_cell("random", 0, wanted()), make_cell("loss", 0, wanted()), rough]
    entry = summary_of(cells)["loss"]
    assert entry["metrics"]["current"]["mean"] == pytest.approx(60)
    assert entry["seeds"] == [0]
    assert entry["stability"]["non_finite"] == 1
    assert entry["cost"]["trained_tokens"] == 3000
