"""Raw measures beside the score: means over items, base and final model, and what has no choices."""

import pyarrow as pa
import pytest

from farsighted.report.raw_table import raw_table
from farsighted.results.lookup import group_keys
from farsighted.results.raw import raw_measures
from farsighted.store.schema import SCORES


def scores(rows):
    columns = {name: [row.get(name) for row in rows] for name in SCORES.names}
    return pa.table(columns, schema=SCORES)


def item(after_stage, name="math", kind="validation", **measured):
    return {"kind": kind, "after_stage": after_stage, "set": name, "item": "x", "nll": 1.0} | measured


def test_measures_are_means_over_the_items_of_a_set():
    table = scores([item(0, token_accuracy=0.5, exact_match=0.0), item(0, token_accuracy=1.0, exact_match=1.0)])
    (found,) = raw_measures(table, stages=2)
    assert (found["token_accuracy"], found["exact_match"], found["items"]) == (0.75, 0.5, 2)


def test_only_the_base_and_the_final_model_are_told():
    table = scores([item(after, token_accuracy=0.1 * after) for after in (0, 1, 2)])
    assert [found["after_stage"] for found in raw_measures(table, stages=2)] == [0, 2]


def test_a_measure_that_applies_to_no_item_is_none_and_one_that_applies_to_some_is_their_mean():
    table = scores(
        [
            item(0, "plain", token_accuracy=1.0),
            item(0, "mixed", choice_accuracy=1.0),
            item(0, "mixed", choice_accuracy=None),
        ]
    )
    mixed, plain = raw_measures(table, stages=1)
    assert (mixed["choice_accuracy"], mixed["choice_items"]) == (1.0, 1)
    assert (plain["choice_accuracy"], plain["choice_items"]) == (None, 0)


def test_probes_are_no_sets_of_their_own():
    assert raw_measures(scores([item(1, kind="probe_own", token_accuracy=1.0)]), stages=1) == []


@pytest.fixture
def results():
    cell = {"order": "canonical", "budget": "25%", "adaptation": "lora", "selector": "loss", "status": "done"}
    measured = [
        {"kind": "validation", "set": "math", "after_stage": after, "token_accuracy": share, "exact_match": None,
         "choice_accuracy": None}
        for after, share in ((0, 0.25), (2, 0.5))
    ]  # fmt: skip
    place = {key: cell[key] for key in ("order", "budget", "adaptation")}
    summary = place | {"selector": "loss", "reference": False, "seeds": [0]}
    return {"cells": [cell | {"seed": 0, "measures": measured}], "summary": [summary]}


def test_the_table_puts_the_base_model_on_top_and_leaves_out_measures_that_nothing_has(results):
    table = raw_table(results, group_keys(results)[0])
    assert [column.key for column in table.columns] == ["math_token_accuracy"]
    assert [(row.label, row.numbers[0].mean) for row in table.rows] == [("(base model)", 25.0), ("loss", 50.0)]


def test_a_format_that_fails_less_often_is_the_better_one(results):
    for entry in results["cells"][0]["measures"]:
        entry["format_failure"] = 0.5
    columns = {column.key: column.better for column in raw_table(results, group_keys(results)[0]).columns}
    assert columns == {"math_token_accuracy": "higher", "math_format_failure": "lower"}
