import numpy as np
import pytest

from farsighted.core.errors import DivergedError
from farsighted.core.measures import MEASURES
from farsighted.core.values import Example, ItemScores, Tokens
from farsighted.evaluation.sets import EvaluationSet
from farsighted.protocol.scores import ScoredAt, ScoreRows
from farsighted.store.schema import SCORES


def made_set(measure="token_accuracy", chance=0.25, ceiling=0.75):
    items = tuple(Tokens(Example(name, "p", "r"), (1, 2), 1) for name in ("a", "b"))
    return EvaluationSet("shifted", items, ((), ()), measure, chance, ceiling)


def made_scores(nll=(1.0, 2.0), generated=()):
    raw = {"token_accuracy": np.array([0.5, 0.0]), "exact_match": np.array([0.0, 1.0])}
    return ItemScores(("a", "b"), np.array(nll), raw | {"choice_accuracy": np.full(2, np.nan)}, generated)


def test_scores_are_normalised_between_chance_and_ceiling_and_unbounded_below():
    """100 (0.5 − 0.25) / 0.5 = 50 and 100 (0 − 0.25) / 0.5 = −50."""
    rows = ScoreRows()
    rows.add(ScoredAt("ood", 2), made_set(), made_scores())
    assert rows.table()["score"].to_pylist() == [50.0, -50.0]


def test_a_row_says_when_where_and_what_was_scored():
    rows = ScoreRows()
    rows.add(ScoredAt("probe_own", 3, 120, 2), made_set(), made_scores())
    assert rows.table().schema == SCORES
    assert rows.table().to_pylist()[1] == {
        "kind": "probe_own",
        "after_stage": 3,
        "set": "shifted",
        "probe_tokens": 120.0,
        "point": 2,
        "item": "b",
        "score": -50.0,
        "nll": 2.0,
        "token_accuracy": 0.0,
        "exact_match": 1.0,
        "generated": None,
    } | dict.fromkeys(MEASURES.keys() - {"token_accuracy", "exact_match"})


def test_what_the_model_wrote_is_kept():
    rows = ScoreRows()
    rows.add(ScoredAt("validation", 1), made_set(), made_scores(generated=("18", "")))
    assert rows.table()["generated"].to_pylist() == ["18", ""]


def test_a_measure_that_does_not_apply_is_null_and_never_nan():
    rows = ScoreRows()
    rows.add(ScoredAt("validation", 1), made_set("choice_accuracy"), made_scores())
    assert rows.table()["score"].null_count == 2
    assert rows.table()["choice_accuracy"].null_count == 2


def test_evaluations_stand_in_the_order_in_which_they_came():
    rows = ScoreRows()
    for after in (0, 1, 2):
        rows.add(ScoredAt("validation", after), made_set(), made_scores())
    assert rows.table()["after_stage"].to_pylist() == [0, 0, 1, 1, 2, 2]


def test_no_evaluation_is_a_table_with_columns():
    assert ScoreRows().table().schema == SCORES
    assert ScoreRows().table().num_rows == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_likelihood_that_is_not_finite_is_divergence_and_names_set_and_item(bad):
    with pytest.raises(DivergedError, match="'shifted' is not finite for b") as caught:
        ScoreRows().add(ScoredAt("validation", 1), made_set(), made_scores((1.0, bad)))
    assert caught.value.example_ids == ("b",)
