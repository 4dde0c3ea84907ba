import csv
import io

import numpy as np
import pytest
from scipy import stats

from farsighted.core.names import FAMILIES
from farsighted.paper.published import GAP_NOTE, TABLE_1
from farsighted.paper.tables import tables_beside_paper
from farsighted.report.typesetting import to_csv, to_latex, to_markdown
from oracles.claim_cells import changed, exchanged, family_cells, measured, noisy, papers_values

PAPER = papers_values()


def tables_of(cells):
    return tables_beside_paper(measured(cells)[0])


def column(table, key):
    index = [found.key for found in table.columns].index(key)
    return {row.label: row.numbers[index] for row in table.rows}


def means(table, key):
    return {name: number.mean for name, number in column(table, key).items()}


@pytest.fixture(scope="module")
def same():
    """An audit of two budgets whose means are the paper's own at 25 %."""
    less = changed(PAPER, current=-2, worst_task=-2)
    return tables_of([*family_cells(PAPER), *family_cells(less, budget="10%")])


def test_there_are_three_tables_and_their_agreement(same):
    names = [*(f"table{number}_beside_paper" for number in (1, 2, 3)), "agreement_with_paper"]
    assert list(same) == names


def test_table_1_has_our_mean_and_sd_and_the_papers_side_by_side(same):
    table = same["table1_beside_paper"]
    assert [found.key for found in table.columns][:4] == ["current", "current_paper", "future_auc", "future_auc_paper"]
    assert means(table, "forgetting") == pytest.approx(means(table, "forgetting_paper"))
    own, papers = column(table, "current")["loss"], column(table, "current_paper")["loss"]
    assert (own.n, own.sd) == (2, pytest.approx(0))
    assert (papers.mean, papers.sd, papers.n) == (61.9, 0.5, 3)
    assert tuple(row.label for row in table.rows) == FAMILIES


def test_a_mean_and_its_sd_are_over_seeds():
    cells = family_cells(lambda seed: changed(PAPER, ood=4 * seed))
    own = column(tables_of(cells)["table1_beside_paper"], "ood")["lhas"]
    assert (own.mean, own.sd) == pytest.approx((58.2 + 2, np.std([0, 4], ddof=1)))
    assert own.low < own.mean < own.high


def test_the_gap_column_is_shown_with_its_note_and_is_no_target(same):
    table = same["table1_beside_paper"]
    assert means(table, "gap_contribution_paper")["gradient"] == 0.47
    assert GAP_NOTE in table.notes
    assert not any("gap" in row.label.lower() for row in same["agreement_with_paper"].rows)


def test_our_gap_is_that_of_eq_3_on_immediate_gain_and_long_horizon(same):
    # Both have the order of the fabricated values: gain = current - 20, score as in metrics.horizon.
    current, long = (
        means(same["table1_beside_paper"], "current"),
        means(same["table3_beside_paper"], "long_horizon_25pct"),
    )
    ranks = [stats.rankdata([-values[family] for family in FAMILIES]) for values in (current, long)]
    by_hand = np.abs(ranks[1] - ranks[0]) / 6
    assert list(means(same["table1_beside_paper"], "gap_contribution").values()) == pytest.approx(by_hand)


def test_table_2_holds_the_diagnostics(same):
    table = same["table2_beside_paper"]
    assert means(table, "update_concentration") == pytest.approx(means(table, "update_concentration_paper"))
    assert "the paper states no spread" in table.notes[0]


def test_table_3_has_a_column_for_each_of_the_papers_budgets_run_or_not(same):
    table = same["table3_beside_paper"]
    assert means(table, "long_horizon_50pct_paper")["lhas"] == 0.71
    assert set(means(table, "long_horizon_50pct").values()) == {None}
    assert all(value is not None for value in means(table, "long_horizon_10pct").values())


def test_the_papers_own_numbers_agree_with_it_in_full(same):
    table = same["agreement_with_paper"]
    for row in table.rows[:9]:
        for found in row.numbers:
            assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1))
    assert [row.label for row in table.rows][:3] == [
        "Table 1: Current ↑",
        "Table 1: Future AUC (neutral probe) ↑",
        "Table 1: Forgetting ↓",
    ]
    assert table.rows[-1].numbers[0].mean is None  # 50 % was not run


def test_agreement_is_scipys_rank_correlation_whichever_way_is_better():
    turned = exchanged(PAPER, ("lhas", "gradient"), ("random", "loss"))
    row = tables_of(family_cells(turned))["agreement_with_paper"].rows[2]
    ours, papers = ([values[family]["forgetting"] for family in FAMILIES] for values in (turned, PAPER))
    assert row.numbers[0].mean == pytest.approx(stats.spearmanr(ours, papers).statistic)
    assert row.numbers[1].mean == pytest.approx(stats.kendalltau(ours, papers).statistic)


def test_noise_widens_the_interval_of_an_agreement():
    row = tables_of(family_cells(noisy(PAPER)))["agreement_with_paper"].rows[3]
    assert row.label == "Table 1: OOD ↑"
    assert row.numbers[0].high - row.numbers[0].low > 0.5


def test_a_selector_that_was_not_run_is_an_empty_row_and_left_out_of_the_agreement():
    values = {family: PAPER[family] for family in FAMILIES if family != "quality"}
    found = tables_of(family_cells(values))
    assert means(found["table1_beside_paper"], "current")["quality"] is None
    assert found["agreement_with_paper"].rows[0].numbers[0].mean == pytest.approx(1)
    assert "over the 6 selectors that were run" in found["agreement_with_paper"].notes[0]


def test_two_selectors_have_no_agreement():
    values = {family: PAPER[family] for family in ("random", "lhas")}
    assert tables_of(family_cells(values))["agreement_with_paper"].rows[0].numbers[0].mean is None


def test_one_seed_gives_diagnostics_no_interval():
    found = tables_of(family_cells(PAPER, seeds=(0,)))
    entropy = column(found["table2_beside_paper"], "capability_entropy")["lhas"]
    assert (entropy.mean, entropy.low, entropy.sd, entropy.n) == (2.02, None, None, 1)
    agreed = found["agreement_with_paper"].rows[len(TABLE_1)].numbers[0]
    assert (agreed.mean, agreed.low) == (pytest.approx(1), None)


def test_every_table_comes_in_every_writing(same):
    for table in same.values():
        rows = list(csv.reader(io.StringIO(to_csv(table))))
        assert rows[0][0] == table.head.lower()
        assert {len(row) for row in rows} == {1 + 5 * len(table.columns)}
        assert to_markdown(table).startswith(f"| {table.head} |")
        assert rf"{table.head} & " in to_latex(table)
    assert "| 1.00 [1.00, 1.00] |" in to_markdown(same["agreement_with_paper"])
