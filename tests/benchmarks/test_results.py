import json

import numpy as np
import pytest

from benchmarks.results import Measurement, Part, exact_row, markdown, number, spread_row


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [(1.0, 1.25, "ok"), (1.25, 1.25, "ok"), (1.5, 1.25, "missed by 20 %"), (7.0, None, "")],
)
def test_a_figure_is_judged_by_its_target(value, at_most, verdict):
    assert exact_row("x", value, at_most=at_most).verdict == verdict


def test_a_spread_is_told_by_median_and_quartiles():
    row = spread_row("x", np.array([5.0, 1.0, 2.0, 3.0, 4.0]), bound=1.0)
    assert (row.value, row.low, row.high, row.bound) == (3.0, 2.0, 4.0, 1.0)


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.02, "", "0.02"), (3.1e-15, "", "3.1e-15"), (40.0, "s", "40 s"), (0.0, "", "0")]
)
def test_figures_are_written_for_people(value, unit, text):
    assert number(value, unit) == text


def test_the_page_holds_machine_settings_rows_and_notes():
    part = Part(
        "sets", "n = 3.", [Measurement("a ÷ b", 1.5, 1.25, 2.0, "", 1.0, 1.2)], {"a": [1.0]}, ["Not everything."]
    )
    page = markdown([part], {"threads": 2})
    assert "Machine: threads 2." in page
    assert "## sets\n\nn = 3.\n" in page
    assert "| a ÷ b | 1.5 | 1.25 to 2 | 1 | 1.2 | missed by 25 % |" in page
    assert page.endswith("Not everything.\n")


def test_a_part_goes_through_json_with_every_time():
    part = Part("sets", "n = 3.", [Measurement("a", 1.5, 1.25, 2.0, "s", None, 1.2)], {"a": [1.0, 2.0]})
    found = json.loads(json.dumps(part.as_json()))
    assert found["seconds"] == {"a": [1.0, 2.0]}
    (row,) = found["rows"]
    assert row == {
        "what": "a",
        "value": 1.5,
        "low": 1.25,
        "high": 2.0,
        "unit": "s",
        "bound": None,
        "at_most": 1.2,
        "verdict": "missed by 25 %",
    }
