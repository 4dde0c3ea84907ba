import pytest

from farsighted.report.tables import tables
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted


@pytest.fixture(scope="module")
def found():
    cells = three_selectors()
    return tables(results_of(cells, make_audit(cells)))


def column(table, key):
    index = [column.key for column in table.columns].index(key)
    return {row.label: row.numbers[index].mean for row in table.rows}


def test_an_audit_of_one_budget_has_six_tables(found):
    names = ("diagnostics", "main", "measures", "metrics", "overlap", "verdicts")
    assert sorted(found) == [f"{name}_canonical_25pct_lora" for name in names]


def test_the_main_table_has_the_columns_of_the_papers_table_1(found):
    table = found["main_canonical_25pct_lora"]
    wanted_keys = ["current", "future_auc", "forgetting", "ood", "worst_task", "long_horizon"]
    assert [column.key for column in table.columns] == [*wanted_keys, "gap_signed", "gap_contribution"]
    assert column(table, "forgetting") == pytest.approx({"random": 7.5, "loss": 15, "lhas": 1.5, "random_matched": 7.5})
    assert column(table, "gap_signed") == {"random": 0, "loss": 1, "lhas": -1, "random_matched": None}


def test_the_diagnostics_table_holds_every_diagnostic(found):
    table = found["diagnostics_canonical_25pct_lora"]
    assert column(table, "update_concentration")["loss"] == pytest.approx(0.4)
    assert column(table, "mean_quality")["loss"] is None
    assert len(table.columns) == 5


def test_overlap_is_symmetric_and_has_no_diagonal(found):
    table = found["overlap_canonical_25pct_lora"]
    assert [row.label for row in table.rows] == [column.key for column in table.columns] == ["random", "loss", "lhas"]
    assert column(table, "random") == {"random": None, "loss": 1, "lhas": 1}  # all three chose the same


def test_several_budgets_get_the_counterpart_of_table_3():
    cells = [
        make_cell(name, 0, wanted(gain=gain + extra), budget=budget)
        for budget, gain in (("10%", 30), ("25%", 40))
        for name, extra in (("random", 0), ("loss", 4))
    ]
    table = tables(results_of(cells, make_audit(cells)))["budgets_canonical_lora"]
    assert [column.label for column in table.columns] == ["10%", "25%"]
    # final average 45 or 55, AUC .4, forgetting 7.5, OOD 50
    assert column(table, "long_horizon_10pct")["random"] == pytest.approx((0.45 + 0.4 + 0.925 + 0.5) / 4)
    assert column(table, "long_horizon_25pct")["loss"] == pytest.approx((0.59 + 0.4 + 0.925 + 0.5) / 4)
