import json
import math
from dataclasses import replace

import pytest

from farsighted.core.names import FAMILIES
from farsighted.paper.claims import CLAIMS, claims_of, claims_page
from farsighted.paper.findings import Finding
from farsighted.results.audit import read_audit
from oracles.claim_cells import changed, exchanged, family_cells, measured, noisy, papers_values, scored
from oracles.fabricated_cells import make_audit, make_cell, save_audit

PAPER = papers_values()
UPSIDE_DOWN = exchanged(PAPER, ("gradient", "lhas"), ("loss", "diversity"), ("quality", "utility_diversity"))
CONTRARY = {family: {**row, "update_concentration": 1 - row["update_concentration"]} for family, row in PAPER.items()}
NOISY = noisy(PAPER)
LATE = {"lhas": -7, "utility_diversity": -6, "diversity": -2}
BRITTLE = changed(PAPER, current=LATE, worst_task=LATE)
"""LHAS and utility-diversity gain least, and still rank first in the long run: a larger family gap."""
ALIGNMENT = {"canonical": 0.8, "reversed": 0.2}


def outcomes(cells, **kwargs):
    groups, settings = measured(cells)
    return {claim.number: claim for claim in claims_of(groups, settings, **kwargs)}


def better(values, points):
    return changed(values, current=points, worst_task=points, ood=points, future_auc=points / 100)


def over_budgets(*by_budget):
    named = zip(("10%", "25%", "50%"), by_budget, strict=True)
    return [cell for budget, values in named for cell in family_cells(values, budget=budget)]


def over(axis, **values):
    cells = [cell for name, found in values.items() for cell in family_cells(found, **{axis: name})]
    for cell in cells:
        cell.meta["id"] += f"-{cell.meta[axis]}"
    return cells


def shrunk(values, factor):
    """Every selector nearer to random, or further away."""
    middle = values["random"]
    return {name: {key: middle[key] + factor * (row[key] - middle[key]) for key in row} for name, row in values.items()}


@pytest.fixture(scope="module")
def judged():
    worlds = {"holds": PAPER, "fails": UPSIDE_DOWN, "undecided": NOISY}
    return {name: outcomes(family_cells(values)) for name, values in worlds.items()}


@pytest.mark.parametrize("outcome", ["holds", "fails", "undecided"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_a_claim_about_selectors_holds_on_the_papers_numbers_and_fails_where_they_change_places(
    judged, number, outcome
):
    assert judged[outcome][number].outcome == outcome


def test_random_may_be_last_but_one_but_not_last_but_two(judged):
    swapped = exchanged(PAPER, ("random", "diversity"))
    assert outcomes(family_cells(swapped))[1].parts[3].outcome == "holds"
    above_two = changed(PAPER, current={"random": 3.1}, worst_task={"random": 3.1})
    assert outcomes(family_cells(above_two))[1].parts[3].outcome == "fails"


def test_a_follower_that_is_nearer_to_random_does_not_follow_closely():
    behind = changed(PAPER, current={"lhas": -2.0}, worst_task={"lhas": -2.0})
    part = outcomes(family_cells(behind))[1].parts[1]
    # 59.4 is 1.2 above random, and 2.75 below the mean of gradient and loss
    assert (part.outcome, part.effect) == ("fails", pytest.approx(1.2 - 2.75))


def test_claim_5_is_the_ratio_of_tokens_to_the_common_threshold(judged):
    # Curves rise 20 points over 200 tokens; threshold half-way from 42 to 77: 59.5. Gradient starts at 42, LHAS at 57.
    claim = judged["holds"][5]
    assert (claim.outcome, claim.unit) == ("holds", "×")
    assert claim.effect == pytest.approx(17.5 / 2.5, rel=0.01)
    assert judged["fails"][5].outcome == "fails"
    assert judged["undecided"][5].outcome == "undecided"


def test_a_missed_threshold_bounds_the_ratio_on_one_side_only():
    late = changed(PAPER, future_auc={"gradient": -0.2})  # 22 to 42; the threshold is 49.5
    claim = outcomes(family_cells(late))[5]
    assert (claim.outcome, claim.effect) == ("holds", math.inf)  # LHAS starts at 57 and needs none
    assert "gradient missed the threshold" in claim.sentence
    late = changed(PAPER, future_auc={"lhas": -0.4})  # 17 to 37; the threshold, with 73 as the best end, is 45
    claim = outcomes(family_cells(late))[5]
    assert claim.outcome == "fails"  # gradient reaches 45 from 42 after 30 tokens, LHAS not in 200
    assert claim.effect == pytest.approx(30 / 200, rel=0.05)


@pytest.mark.parametrize("slow", ["lhas", "gradient"])
def test_a_ratio_whose_smaller_side_missed_the_threshold_decides_nothing(slow):
    missed, at_once = [(0.0, 20.0), (200.0, 40.0)], [(0.0, 80.0), (200.0, 80.0)]
    late = [(0.0, 20.0), (200.0, 52.0)]  # the threshold is 50: reached after 187.5 tokens
    cells = []
    for name in ("random", "gradient", "lhas"):
        scores = scored(**PAPER[name])
        scores.neutral = {slow: [late, late], "random": [at_once, at_once]}.get(name, [missed, at_once])
        cells += [make_cell(name, seed, scores, spread=0.1, family=name) for seed in (0, 1)]
    claim = outcomes(cells)[5]
    ratio = 375 / 200 if slow == "gradient" else 200 / 375
    assert claim.effect == pytest.approx(ratio, rel=0.02)
    assert claim.outcome == "undecided"
    assert not claim.low <= 1 <= claim.high


def test_claim_7_is_a_rank_correlation_over_the_seven_selectors(judged):
    assert judged["holds"][7].outcome == "holds"
    assert judged["undecided"][7].outcome == "undecided"
    contrary = outcomes(family_cells(CONTRARY))[7]
    assert contrary.outcome == "fails"
    # 1 - concentration has the opposite ranks, so both correlations change their sign.
    turned = [-part.effect for part in judged["holds"][7].parts]
    assert [part.effect for part in contrary.parts] == pytest.approx(turned)


def test_claim_8_needs_three_budgets_and_looks_at_all_of_them():
    rising = outcomes(over_budgets(better(BRITTLE, -4), PAPER, better(PAPER, 4)))[8]
    assert rising.outcome == "holds", [part for part in rising.parts if part.outcome != "holds"]
    falling = outcomes(over_budgets(better(BRITTLE, 4), PAPER, better(PAPER, -4)))[8]
    assert falling.outcome == "fails"
    assert falling.parts[0].outcome == "fails"


def test_claim_8_fails_where_the_order_does_not_stay_or_the_gap_is_not_largest_at_ten_percent():
    turned = outcomes(over_budgets(better(UPSIDE_DOWN, -4), PAPER, better(PAPER, 4)))[8]
    assert [part.outcome for part in turned.parts[7:9]] == ["fails", "holds"]
    even = outcomes(over_budgets(better(PAPER, -4), PAPER, better(BRITTLE, 4)))[8]
    assert [part.outcome for part in even.parts[9:11]] == ["undecided", "fails"]


def test_claim_8_is_undecided_in_noise_and_not_run_without_budgets(judged):
    throws = (noisy(better(values, points)) for values, points in ((BRITTLE, -4), (PAPER, 0), (PAPER, 4)))
    assert outcomes(over_budgets(*throws))[8].outcome == "undecided"
    alone = judged["holds"][8]
    assert (alone.outcome, alone.sentence) == ("undecided", "Undecided, not run: budget 10%; not run: budget 50%.")


def test_claim_9_compares_what_gradient_and_loss_lose_under_both_adaptations():
    def claim(full):
        return outcomes(over("adaptation", lora=PAPER, full=full))[9]

    assert claim(shrunk(PAPER, 0.3)).outcome == "holds"
    assert claim(changed(PAPER, ood={"gradient": -5, "loss": -5})).outcome == "fails"  # it grows
    assert claim(shrunk(PAPER, 0)).outcome == "undecided"  # nothing is left, and nothing is turned round
    assert claim(noisy(shrunk(PAPER, 0.3))).outcome == "undecided"


def test_claim_9_is_not_run_with_one_adaptation(judged):
    assert "not run: adaptation full" in judged["holds"][9].sentence
    alone = outcomes(over("adaptation", full=PAPER))[9]
    assert "not run: adapters beside full fine-tuning" in alone.sentence


def test_claim_10_wants_lhas_first_in_every_order_and_its_lead_to_grow_as_alignment_falls():
    def claim(alignment=ALIGNMENT, **orders):
        return outcomes(over("order", **orders), alignment=alignment)[10]

    further = changed(PAPER, ood={"lhas": 8})
    assert claim(canonical=PAPER, reversed=further).outcome == "holds"
    slope = claim(canonical=PAPER, reversed=further).parts[2]
    assert slope.effect == pytest.approx(8 / 400 / 0.6)  # 8 points of OOD are .02 of the score, over .6 of alignment
    assert claim({"canonical": 0.2, "reversed": 0.8}, canonical=PAPER, reversed=further).outcome == "fails"
    assert claim(canonical=PAPER, reversed=UPSIDE_DOWN).outcome == "fails"
    assert claim(canonical=NOISY, reversed=NOISY).outcome == "undecided"


def test_claim_10_says_what_was_not_run(judged):
    assert "not run: stage orders" in judged["holds"][10].sentence
    cells = over("order", canonical=PAPER, reversed=PAPER)
    for alignment, why in (
        (None, "not run: alignment of neighbouring stages"),
        ({"canonical": 0.8}, "not run: alignment of neighbouring stages in order reversed"),
        ({"canonical": 0.8, "reversed": 0.8}, "not run: orders that differ in the alignment of neighbouring stages"),
    ):
        claim = outcomes(cells, alignment=alignment)[10]
        assert (claim.outcome, claim.parts[-1].why) == ("undecided", why)
        assert {part.outcome for part in claim.parts[:-1]} == {"holds"}


def test_claim_11_is_handed_on(judged):
    assert judged["holds"][11].sentence == "Undecided, not run: the theory."
    theory = Finding("identity of Eq. 8", "holds", 1e-15, 0.0, 1e-14, "relative error")
    claim = outcomes(family_cells(PAPER), theory=theory)[11]
    assert (claim.outcome, claim.effect, claim.parts) == ("holds", 1e-15, (theory,))
    assert outcomes(family_cells(PAPER), theory=replace(theory, outcome="fails"))[11].outcome == "fails"


def test_a_claim_about_a_selector_that_was_not_run_is_undecided_unless_another_part_fails():
    values = {family: PAPER[family] for family in FAMILIES if family != "gradient"}
    found = outcomes(family_cells(values))
    assert found[2].outcome == "undecided"
    assert "not run: gradient" in found[2].sentence
    values = {family: UPSIDE_DOWN[family] for family in FAMILIES if family != "gradient"}
    assert outcomes(family_cells(values))[2].outcome == "fails"


def test_one_seed_decides_nothing_about_diagnostics():
    found = outcomes(family_cells(PAPER, seeds=(0,)))
    assert found[2].outcome == "holds"
    assert found[6].outcome == found[7].outcome == "undecided"
    assert "a diagnostic of a single seed has no interval" in found[6].sentence


def test_the_sentence_counts_the_comparisons_and_shows_the_one_that_decides(judged):
    assert judged["holds"][4].sentence.startswith("Holds: of 5 comparisons 5 hold and 0 fail. Decisive: ")
    claim = judged["fails"][4]
    assert f"{claim.effect:+.1f} {claim.unit} [{claim.low:.1f}, {claim.high:.1f}]" in claim.sentence
    assert claim.low <= claim.effect <= claim.high < 0


def test_outcomes_are_json_and_a_page(judged):
    text = json.dumps([claim.as_value() for claim in judged["holds"].values()], allow_nan=False)
    assert [claim["number"] for claim in json.loads(text)] == list(range(1, 12))
    page = claims_page(tuple(judged["fails"].values()))
    assert page.startswith("1. **fails.** Gradient and loss lead on current")
    assert "   - undecided: the family gap is larger at 10% than at 25%: – (not run: budget 10%)" in page


def test_claims_are_numbered_as_in_the_definitions():
    assert [claim.number for claim in CLAIMS] == list(range(1, 12))


def test_from_artifacts_on_disk_to_outcomes(tmp_path):
    cells = over_budgets(better(BRITTLE, -4), PAPER, better(PAPER, 4))
    strangers = family_cells(UPSIDE_DOWN, order="elsewhere")
    save_audit(tmp_path, [*cells, *strangers], make_audit(cells))
    audit = read_audit(tmp_path)
    assert [key.budget for key in audit.groups] == ["10%", "25%", "50%"]
    claims = claims_of(audit.groups, audit.settings)
    assert {claim.number for claim in claims if claim.outcome == "holds"} == set(range(1, 9))
    in_memory = outcomes(cells)
    assert [claim.sentence for claim in claims] == [claim.sentence for claim in in_memory.values()]
