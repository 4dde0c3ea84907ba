from farsighted.results.lookup import GroupKey, cells, group_keys, myopia_entry, seed_note, slug, summaries, title
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted

LORA = GroupKey("canonical", "25%", "lora")


def test_groups_come_in_the_order_of_the_plan_and_hold_their_own():
    made = [make_cell("random", 0, wanted(), budget=budget) for budget in ("50%", "10%")]
    results = results_of(made, make_audit(made))
    assert [group.budget for group in group_keys(results)] == ["50%", "10%"]
    assert [cell["budget"] for cell in cells(results, LORA._replace(budget="10%"))] == ["10%"]
    assert len(summaries(results, LORA._replace(budget="50%"))) == 1
    assert myopia_entry(results, LORA._replace(budget="50%")) is None


def test_the_gap_of_a_group_is_found():
    made = three_selectors()
    assert myopia_entry(results_of(made, make_audit(made)), LORA)["family"] > 0


def test_a_group_has_a_title_and_a_file_name():
    assert title(LORA) == "order canonical, budget 25%, lora"
    assert slug(*LORA) == "canonical_25pct_lora"
    assert slug("a/b c", "25% examples") == "a-b-c_25pct-examples"


def test_the_note_on_seeds_counts_them():
    assert seed_note([{"seeds": [0]}]) == "Mean ± sd over 1 seed."
    assert seed_note([{"seeds": [0, 1]}, {"seeds": [5, 6]}]) == "Mean ± sd over 2 seeds."
    assert seed_note([{"seeds": []}, {"seeds": [5, 6]}]) == "Mean ± sd over 0 to 2 seeds, by selector."
