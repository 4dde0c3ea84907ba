import pytest

from farsighted.core.names import FAMILIES
from farsighted.metrics.horizon import myopia_gap
from farsighted.paper.published import GAP, GAP_NOTE, TABLE_1, TABLE_2, TABLE_3, TOKENS_RATIO
from farsighted.results.metrics import DIAGNOSTICS, METRICS
from farsighted.selectors import build_selector

COLUMNS = TABLE_1 | TABLE_2 | TABLE_3


def test_every_column_has_the_seven_families_in_order():
    for column in (*COLUMNS.values(), GAP):
        assert tuple(column) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_named_as_the_selectors_of_that_name(family):
    assert build_selector(family).family == family


def test_columns_are_named_as_in_the_reports():
    assert set(TABLE_1) <= set(METRICS)
    assert set(TABLE_2) <= set(DIAGNOSTICS)
    assert tuple(TABLE_3) == ("10%", "25%", "50%")


def test_every_number_knows_its_table_and_only_the_first_states_a_spread():
    for number, table in enumerate((TABLE_1, TABLE_2, TABLE_3), start=1):
        published = [value for column in table.values() for value in column.values()]
        assert {value.table for value in published} == {number}
        assert {value.sd is not None for value in published} == {number == 1}


@pytest.mark.parametrize(
    ("column", "better", "best"),
    [
        ("current", max, "gradient"),
        ("future_auc", max, "lhas"),
        ("forgetting", min, "lhas"),
        ("ood", max, "lhas"),
        ("worst_task", max, "lhas"),
        ("capability_entropy", max, "diversity"),
        ("mean_quality", max, "quality"),
        ("update_concentration", min, "lhas"),
        ("10%", max, "lhas"),
        ("25%", max, "lhas"),
        ("50%", max, "lhas"),
    ],
)
def test_the_best_of_a_column_is_the_one_that_the_paper_prints_bold(column, better, best):
    means = {family: value.mean for family, value in COLUMNS[column].items()}
    assert means[best] == better(means.values())


def test_the_text_of_the_paper_agrees_with_its_tables():
    assert TOKENS_RATIO == 1.35  # "gradient selection requires approximately 1.35x as many selected tokens as LHAS"
    assert min(GAP, key=lambda family: GAP[family].mean) == "lhas"  # "the smallest myopia gap"


def test_the_note_on_the_gap_column_states_what_eq_3_gives_on_the_papers_own_means():
    means = ([[column[family].mean] for family in FAMILIES] for column in (TABLE_1["current"], TABLE_3["25%"]))
    contribution = myopia_gap(*means).contribution_K
    assert contribution == pytest.approx([0.5, 0.5, 1, 0.5, 0, 0, 0.5])
    assert "gives .50, .50, 1.0, .50, 0, 0, .50 for random, loss, gradient" in GAP_NOTE
