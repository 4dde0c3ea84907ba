import numpy as np
import pytest

from farsighted.paper.evidence import Evidence, Reading
from farsighted.results.lookup import GroupKey
from oracles.claim_cells import changed, family_cells, measured, papers_values

MAIN = GroupKey("canonical", "25%", "lora")


def evidence_of(cells, **kwargs):
    return Evidence(measured(cells, **kwargs)[0])


@pytest.fixture(scope="module")
def evidence():
    return evidence_of(family_cells(papers_values(), seeds=(0, 1, 2), items=6, spread=8.0))


def test_the_difference_of_any_two_families_is_paired(evidence):
    lhas, loss = evidence.of("ood", "lhas", "loss")
    group = evidence.groups[MAIN]
    by_hand = [group.sample(name, "ood", [0, 1, 2]).replicates_B for name in ("lhas", "loss")]
    np.testing.assert_array_equal((lhas - loss).replicates_B, by_hand[0] - by_hand[1])
    assert (lhas - loss).replicates_B.std() < 1e-9 < lhas.replicates_B.std()
    assert (lhas - loss).value == pytest.approx(58.2 - 48.1)


def test_readings_use_the_seeds_that_all_of_them_have():
    cells = family_cells(papers_values(), seeds=(0, 1, 2))
    kept = [cell for cell in cells if (cell.meta["selector"], cell.meta["seed"]) not in {("lhas", 0), ("loss", 2)}]
    found = evidence_of(kept)
    assert found.of("ood", "lhas", "loss")[0].seeds == 1
    assert found.of("ood", "lhas", "random")[0].seeds == 2


def test_a_family_is_its_ranked_selector_whatever_its_label_and_never_a_reference():
    cells = family_cells(papers_values())
    for cell in cells:
        cell.meta["selector"] = f"my {cell.meta['family']}"
    matched = family_cells({"random": papers_values()["lhas"]}, reference=True)
    for cell in matched:
        cell.meta.update(selector="random", id=f"matched-{cell.meta['seed']}")
    found = evidence_of([*cells, *matched])
    assert found.label(MAIN, "random") == "my random"
    assert found.of("ood", "random")[0].value == pytest.approx(54.0)


def test_of_several_selectors_of_a_family_the_one_of_its_name_stands_for_it():
    cells = family_cells(papers_values())
    other = family_cells({"loss": papers_values()["lhas"]})
    for cell in other:
        cell.meta.update(selector="el2n", id=f"el2n-{cell.meta['seed']}")
    assert evidence_of([*cells, *other]).of("ood", "loss")[0].value == pytest.approx(48.1)
    for cell in cells:
        cell.meta["selector"] = f"my {cell.meta['family']}"
    assert evidence_of([*cells, *other]).of("ood", "loss")[0].why == "not run: loss"


def test_what_was_not_run_is_named(evidence):
    there, absent = MAIN, MAIN._replace(budget="10%")
    found = evidence.read([Reading(group, "lhas", "ood") for group in (there, absent)])
    assert {estimate.why for estimate in found} == {"not run: budget 10%"}
    assert np.isnan(found[0].value)


def test_a_number_that_no_seed_has_is_named():
    cells = family_cells(papers_values())
    for cell in cells:
        if cell.meta["family"] == "loss":
            cell.meta["run"] = {**cell.meta["run"], "mean_quality": None}
    found = evidence_of(cells)
    assert (
        found.of("mean_quality", "quality", "loss")[0].why == "no seed has mean_quality of all of these: quality, loss"
    )
    assert found.of("mean_quality", "quality", "lhas")[0].why == ""


def test_a_diagnostic_of_one_seed_is_a_number_without_interval():
    found = evidence_of(family_cells(papers_values(), seeds=(0,)))
    entropy = found.of("capability_entropy", "lhas")[0]
    assert (entropy.value, entropy.why) == (2.02, "a diagnostic of a single seed has no interval")
    assert found.of("ood", "lhas")[0].why == ""


def test_the_main_group_is_the_papers_where_it_was_run():
    keys = [("reversed", "10%", "full"), ("canonical", "50%", "full"), ("canonical", "25%", "full"), MAIN]
    for count, expected in ((1, keys[0]), (2, keys[1]), (3, keys[2]), (4, MAIN)):
        cells = [
            cell
            for order, budget, adaptation in keys[:count]
            for cell in family_cells(papers_values(), seeds=(0,), order=order, budget=budget, adaptation=adaptation)
        ]
        for cell in cells:
            cell.meta["id"] += cell.meta["adaptation"]
        assert evidence_of(cells, resamples=2).main == expected


def test_without_groups_there_is_no_main_one():
    with pytest.raises(ValueError, match="Run the audit first"):
        _ = Evidence({}).main


def test_other_budgets_keep_the_unit_of_the_main_one():
    cells = family_cells(papers_values(), seeds=(0,), budget="25% examples")
    assert evidence_of(cells, resamples=2).at_budget("10%").budget == "10% examples"


def test_family_gaps_of_two_groups_are_over_common_seeds():
    small = family_cells(changed(papers_values(), current=-1, worst_task=-1), seeds=(1, 2), budget="10%")
    gaps = evidence_of([*family_cells(papers_values()), *small]).family_gap([MAIN, MAIN._replace(budget="10%")])
    assert {gap.seeds for gap in gaps} == {1}
    assert gaps[0].value == gaps[1].value
    assert gaps[0].why == ""
