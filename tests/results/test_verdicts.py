import math

import numpy as np
import pytest

from farsighted.results.groups import Settings, report_group
from farsighted.results.lookup import GroupKey, verdict_beside
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted
from oracles.fabricated_kinds import KINDS, every_kind
from oracles.multiplicity_loops import slow_benjamini_hochberg, slow_holm

SEEDS = range(3)


def found_in(cells, beside="random", **kwargs):
    """Selector to its verdict beside a reference."""
    summary = results_of(cells, make_audit(cells, **kwargs))["summary"]
    found = {entry["selector"]: verdict_beside(entry, beside) for entry in summary}
    return {name: entry for name, entry in found.items() if entry is not None}


def cells_of(scores, seeds=SEEDS, **kwargs):
    """Cells with the same scores in every seed, by selector."""
    return [make_cell(name, seed, score, **kwargs) for seed in seeds for name, score in scores.items()]


@pytest.fixture(scope="module")
def kinds():
    return found_in(every_kind())


@pytest.mark.parametrize("name", KINDS)
def test_results_of_every_kind_get_their_word(kinds, name):
    assert kinds[name]["verdict"] == KINDS[name]


def test_a_verdict_says_both_differences_with_raw_and_corrected_numbers(kinds):
    entry = kinds["falls"]
    # now: +4 points; later: final average -1, AUC -0.1, forgetting +7.5, OOD -10: (-0.01 - 0.1 - 0.075 - 0.1) / 4
    for found, mean, side in ((entry["now"], 4, "above"), (entry["later"], -0.07125, "below")):
        assert (found["mean"], found["low"], found["high"]) == pytest.approx((mean,) * 3)
        assert (found["corrected"]["low"], found["corrected"]["high"]) == pytest.approx((mean,) * 2)
        assert found["p"] < found["corrected"]["p"] <= 0.05
        assert found["side"] == side
    assert entry["why"] == (
        "Its long-horizon score is below that of 'random' (-0.071, interval -0.071 to -0.071), and it gains now (+4.0 "
        "points, interval +4.0 to +4.0). Seeds: 0, 1, 2."
    )


def test_a_gain_later_that_costs_now_says_so(kinds):
    assert "and this has a price: it loses now (-4.0 points" in kinds["pays"]["why"]


def test_a_wide_interval_now_says_how_large_a_loss_it_hides():
    rng = np.random.default_rng(3)
    cells = cells_of({"random": wanted()})
    cells += [make_cell("loss", seed, wanted(gain=40 + 8 * rng.normal(), ood=20)) for seed in SEEDS]
    entry = found_in(cells)["loss"]
    assert (entry["verdict"], entry["now"]["side"]) == ("myopic", "open")
    assert f"a loss of up to {-entry['now']['corrected']['low']:.1f} points is not excluded" in entry["why"]


def replicates_by_hand(cells, name, key):
    """Differences of seed means to random, replicate by replicate."""
    settings = Settings.of(make_audit(cells, resamples=3200)["config"])
    group = report_group(GroupKey("canonical", "25%", "lora"), cells, settings)
    drawn = group.seed_draw(list(SEEDS))
    own, other = ([group.cells[who, seed].replicates[key] for seed in SEEDS] for who in (name, "random"))
    return [np.mean([own[z][b] - other[z][b] for z in drawn[b]]) for b in range(len(drawn))]


def noisy_cells():
    rng = np.random.default_rng(4)
    levels = {"random": (0, 0), "loss": (4, -9), "gradient": (0.5, -3), "lhas": (-1, 6)}
    return [
        make_cell(name, seed, wanted(gain=40 + now + rng.normal(), ood=50 + later + 3 * rng.normal()), items=12)
        for name, (now, later) in levels.items()
        for seed in SEEDS
    ]


@pytest.mark.parametrize(("correction", "slow"), [("holm", slow_holm), ("benjamini-hochberg", slow_benjamini_hochberg)])
def test_p_values_are_corrected_over_selectors_and_both_differences_as_a_slow_oracle_does(correction, slow):
    cells = noisy_cells()
    found = found_in(cells, correction=correction, resamples=3200)
    by_hand = []
    for name in found:
        for key in ("current", "long_horizon"):
            replicates = replicates_by_hand(cells, name, key)
            beyond = min(sum(one <= 0 for one in replicates), sum(one >= 0 for one in replicates))
            by_hand.append(min(1.0, 2 * (beyond + 1) / (len(replicates) + 1)))
    pairs = [entry[key] for entry in found.values() for key in ("now", "later")]
    assert [pair["p"] for pair in pairs] == pytest.approx(by_hand)
    assert [pair["corrected"]["p"] for pair in pairs] == pytest.approx(slow(by_hand))
    assert len({round(p, 6) for p in by_hand}) > 3  # the oracle had something to order


@pytest.mark.parametrize("correction", ["holm", "benjamini-hochberg", "none"])
def test_a_corrected_interval_excludes_zero_exactly_where_its_corrected_p_value_decides(correction):
    for entry in found_in(noisy_cells(), correction=correction).values():
        for key in ("now", "later"):
            ends = entry[key]["corrected"]
            assert (ends["low"] > 0 or ends["high"] < 0) == (ends["p"] <= 0.05)
            assert ends["low"] <= entry[key]["low"] + 1e-12
            assert ends["high"] >= entry[key]["high"] - 1e-12


def test_without_a_correction_corrected_and_raw_numbers_are_the_same():
    for entry in found_in(noisy_cells(), correction="none").values():
        for key in ("now", "later"):
            raw = {part: entry[key][part] for part in ("p", "low", "high")}
            assert {part: entry[key]["corrected"][part] for part in raw} == pytest.approx(raw)


def test_families_are_apart_by_group_so_another_budget_changes_nothing():
    cells = noisy_cells()
    more = [make_cell(name, seed, wanted(), budget="10%") for name in ("random", "loss") for seed in SEEDS]
    both = results_of([*cells, *more], make_audit([*cells, *more]))["summary"]
    alone = results_of(cells, make_audit(cells))["summary"]
    assert [entry["verdicts"] for entry in both if entry["budget"] == "25%"] == [entry["verdicts"] for entry in alone]


def test_every_selector_is_judged_beside_each_reference():
    cells = three_selectors(seeds=SEEDS)
    results = results_of(cells, make_audit(cells, reference=["random", "lhas"]))
    assert results["references"] == ["random", "lhas", "random_matched"]
    beside = {entry["selector"]: [one["reference"] for one in entry["verdicts"]] for entry in results["summary"]}
    assert beside == {
        "random": ["lhas", "random_matched"],
        "loss": ["random", "lhas", "random_matched"],
        "lhas": ["random", "random_matched"],
        "random_matched": [],
    }
    words = {name: entry["verdict"] for name, entry in found_in(cells, "lhas", reference=["random", "lhas"]).items()}
    assert words == {"random": "myopic", "loss": "myopic"}


def test_the_smallest_effect_decides_what_is_harmless():
    cells = cells_of({"random": wanted(), "loss": wanted(ood=51)})  # +0.0025 later, nothing now
    assert found_in(cells)["loss"]["verdict"] == "harmless"
    strict = {"now": 0.5, "later": 0.001}
    assert found_in(cells, smallest_effect=strict)["loss"]["verdict"] == "far-sighted"


def test_a_loss_now_below_the_smallest_effect_costs_nothing():
    cells = cells_of({"random": wanted(), "loss": wanted(gain=39.7, ood=20)})
    assert found_in(cells)["loss"]["verdict"] == "myopic"
    assert found_in(cells, smallest_effect={"now": 0.1, "later": 0.005})["loss"]["verdict"] == "worse"


def test_below_three_seeds_a_verdict_is_provisional():
    two, three = (found_in(three_selectors(seeds=range(count)))["loss"] for count in (2, 3))
    assert (two["verdict"], two["provisional"], three["provisional"]) == ("myopic", True, False)
    assert two["why"].endswith("Seeds: 0, 1. Provisional: fewer than three seeds.")


def test_noise_between_seeds_leaves_a_verdict_undecided_and_says_what_would_resolve_it(kinds):
    entry = kinds["wavers"]
    assert entry["later"]["low"] < 0 < entry["later"]["high"]
    assert entry["power"]["seeds"] > len(SEEDS)
    assert math.isfinite(entry["power"]["growth"])


def test_power_states_the_design_that_was_measured():
    power = found_in(three_selectors(items=6))["loss"]["power"]
    assert (power["measured"]["items"], power["measured"]["seeds"]) == (6, 2)
    assert power["growth"] == 1  # a difference without any spread is resolved already
