import pytest

from farsighted.report.scorecard import level_one, level_two, scorecard
from farsighted.results.lookup import group_keys
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted


@pytest.fixture(scope="module")
def results():
    cells = three_selectors()
    return results_of(cells, make_audit(cells))


def answer(page):
    return page.split("## Which selectors are far-sighted, and which myopic?\n\n")[1].split("\n")[0]


def row(page, heading, label):
    lines = page.split(heading)[1].splitlines()
    return next(line for line in lines if line.startswith(f"| {label} "))


def test_the_first_paragraph_answers_with_numbers(results):
    text = answer(scorecard(results))
    assert "**myopic** (below later, and not below now): loss (provisional: -0.071" in text
    assert "+4.0 points now" in text
    assert "**far-sighted** (above later): lhas" in text
    assert "-4.0 points now, a price)" in text
    assert "myopia gap of 0.67; loss falls most, from rank 1.0 to 3.0." in text


def test_who_loses_now_and_later_is_worse_and_not_myopic():
    cells = [make_cell("random", seed, wanted()) for seed in range(3)]
    cells += [make_cell("loss", seed, wanted(gain=30, ood=30)) for seed in range(3)]
    text = answer(scorecard(results_of(cells, make_audit(cells))))
    assert "**worse** (below later and now): loss (-" in text
    assert "None is shown to be myopic." in text


def test_level_one_shows_scores_tokens_seconds_and_stability(results):
    line = row(scorecard(results), "## Level 1: now", "loss")
    assert line == "| loss | **64.5 ± 0.7** | **44.5 ± 0.7** | 3,000 | 12,000 | 4.5 | 6.0 | 0 / 0 / 0 | 2 of 2 |"


def test_level_one_has_a_column_for_warm_up_runs_where_there_was_one(results):
    cells = three_selectors()
    assert "Warm-up tokens" not in scorecard(results)
    for stage in cells[0].meta["per_stage"]:
        stage["warm_up_tokens"] = 1000
    page = scorecard(results_of(cells, make_audit(cells)))
    assert "Warm-up tokens" in page.split("## Level 1: now")[1].splitlines()[2]


def test_level_two_shows_both_probes_the_interval_and_the_verdict(results):
    page = scorecard(results)
    heading = page.split("## Level 2: later")[1].splitlines()[2]
    assert "Future AUC (neutral probe) ↑ | Future AUC (own probe) ↑ | Forgetting ↓" in heading
    line = row(page, "## Level 2: later", "lhas")
    assert "| **0.500 ± 0.000** | **0.500 ± 0.000** | **1.5 ± 0.0** |" in line
    assert "-1.00 [-1.00, -1.00] | far-sighted, at a price now, provisional |" in line


def test_a_ratio_that_is_a_bound_says_so_and_is_never_best(results):
    page = scorecard(results)
    assert "| > 1.33 ± 0.00 |" in row(page, "## Level 2: later", "loss")
    assert "| **0.67 ± 0.00** |" in row(page, "## Level 2: later", "lhas")


def test_reference_rows_stand_apart_with_the_note_on_compute(results):
    page = scorecard(results)
    last = [line for line in page.split("## Level 2: later")[1].splitlines() if line.startswith("| ")][len("abcde")]
    assert last.startswith("| *random_matched* |")
    assert last.endswith("| reference |")
    assert "saves compute only against training on all data" in page


def test_without_reference_rows_there_is_no_note_on_them():
    cells = [make_cell("random", 0, wanted()), make_cell("loss", 0, wanted())]
    assert "random_matched" not in scorecard(results_of(cells, make_audit(cells)))


def test_diverged_and_missing_cells_are_named_with_their_reason():
    lost = make_cell("loss", 1, wanted(), status="diverged", reason="Loss is NaN.", example_ids=list("abcdefg"))
    cells = [*three_selectors(seeds=(0,)), lost]
    page = scorecard(results_of(cells, make_audit([*cells, make_cell("lhas", 1, wanted())])))
    where = "order canonical, budget 25%, lora"
    assert f"- loss, seed 1, {where}: **diverged**: Loss is NaN. Examples: a, b, c, d, e and 2 more." in page
    assert f"- lhas, seed 1, {where}: **missing**: The cell has not finished." in page
    assert "- `mean_quality`, of 3 cells: no example has a quality." in page
    assert "1 of 2 |" in row(page, "## Level 1: now", "loss")


def test_every_group_has_its_own_levels_and_its_own_sentence():
    cells = [
        make_cell(name, 0, wanted(), budget=budget) for budget in ("10%", "25%") for name in ("random", "loss", "lhas")
    ]
    page = scorecard(results_of(cells, make_audit(cells)))
    assert page.count("### Level 1: now") == page.count("### Level 2: later") == 2
    assert "**Order canonical, budget 10%, lora.**" in page
    assert "## Order canonical, budget 25%, lora" in page


def test_an_undecided_verdict_says_what_design_would_resolve_it():
    cells = []
    for seed in range(4):
        cells.append(make_cell("random", seed, wanted(ood=50), items=20))
        cells.append(make_cell("loss", seed, wanted(ood=50 + (-1) ** seed * (5 + seed)), items=20))
    page = scorecard(results_of(cells, make_audit(cells)))
    assert "- **loss: undecided** beside 'random'." in page
    assert "seeds; this audit has 20 and 4." in page


def test_the_scorecard_speaks_of_the_audit_and_not_of_the_paper(results):
    assert "paper" not in scorecard(results).lower()


def test_levels_are_tables_of_one_row_a_selector(results):
    (group,) = group_keys(results)
    for table in (level_one(results, group), level_two(results, group)):
        assert [line.label for line in table.rows] == ["random", "loss", "lhas", "random_matched"]
        assert all(len(line.numbers) == len(table.columns) for line in table.rows)
