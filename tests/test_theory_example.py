"""The script behind docs/theory.md, at small sizes."""

import csv
import importlib.util
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from farsighted.metrics.theory import OrderCheck

SCRIPT = Path(__file__).parents[1] / "examples" / "theory.py"

ORDERING = ("step_size", "pairs", "predicted", "low", "high", "counterexamples", "opposed", "predicted_of_these")
FUTURES = ("future", "variance", "variance_ratio", "mean_ratio", "relative_sd_flat", "relative_sd_steep",
           "below_half_mean_flat", "below_half_mean_steep")  # fmt: skip


@pytest.fixture(scope="module")
def theory():
    spec = importlib.util.spec_from_file_location("theory_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(theory, tmp_path_factory):
    out = tmp_path_factory.mktemp("theory") / "out"
    theory.main([str(out), "--problems", "300", "--directions", "1500"])
    return out


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "theory.json").read_text())


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text


def test_the_tables_hold_every_step_size_and_every_future_at_every_concentration(theory, folder, found):
    ordering, transfer = (rows_of(folder / f"{name}.csv") for name in ("ordering", "transfer"))
    assert (ordering, transfer) == (found["ordering"], found["transfer"])
    assert [row["step_size"] for row in ordering] == list(theory.STEP_SIZES)
    expected = [(future, share) for future in (*theory.FUTURES, theory.UNIT) for share in theory.SHARES]
    assert [row["future"] for row in transfer] == [future for future, _ in expected]
    assert [row["concentration"] for row in transfer] == pytest.approx([share for _, share in expected])


def test_the_share_predicted_tends_to_one_and_the_rest_are_counterexamples(found):
    rows = found["ordering"]
    assert rows[0]["predicted"] > 0.99
    assert rows[-1]["predicted"] < 0.8
    for row in rows:
        assert row["counterexamples"] == round((1 - row["predicted"]) * row["pairs"])
        assert row["unopposed_counterexamples"] == 0
        assert row["low"] <= row["predicted"] <= row["high"]


def test_pairs_of_every_step_are_counted_apart_from_all_pairs_of_one(theory):
    paired, right, always = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=bool)
    check = OrderCheck(0.1, paired, right, opposed_P=~right, gain_error=0.0, residual=0.0)
    row = theory._ordering_row(check, always)
    assert (row["pairs"], row["predicted"], row["counterexamples"]) == (3, 2 / 3, 1)
    assert (row["pairs_of_every_step"], row["predicted_of_these"]) == (2, 1)


def test_directions_below_half_the_mean_are_as_many_as_chi_square_has(found):
    # a flat spectrum under a broad future gives f'f / 16, chi-square with 16 degrees of freedom; 1,500 directions
    flat = next(row for row in found["transfer"] if row["future"] == "broad")
    share = stats.chi2.cdf(16 / 2, 16)
    assert abs(flat["below_half_mean"] - share) < 5 * math.sqrt(share * (1 - share) / 1500)


def test_the_counterexample_by_hand_gains_alike_and_ends_the_other_way_round(found):
    case = found["counterexample"]
    assert case["current_gain_a"] == case["current_gain_b"] == 0.5
    assert (case["projection_a"], case["projection_b"]) == (0, 4)
    assert (case["next_loss_a"], case["next_loss_b"]) == (1, 5)


def test_variance_rises_with_concentration_unless_the_future_lies_away(found):
    trend = {row["future"]: row["variance"] for row in found["futures"]}
    assert trend == {
        "aligned": "rises",
        "45° away": "rises",
        "broad": "rises",
        "90° away": "falls",
        "top direction left out": "falls",
        "broad, unit length": "rises",
    }


def test_closed_forms_lie_within_the_error_of_monte_carlo(found):
    assert found["monte_carlo_largest_deviation_in_standard_errors"] < 5


def test_the_figure_has_two_panels_and_the_same_bytes_again(theory, folder, found):
    svg = (folder / "transfer.svg").read_bytes()
    assert theory.figure(found["ordering"], found["transfer"]) == svg
    names = [group.get("id", "") for group in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}g")]
    assert sum(name.startswith("axes_") for name in names) == 2


def test_the_numbers_are_printed_as_tables(theory):
    assert theory.table([{"name": "x", "value": 0.123456, "none": None}]).splitlines() == [
        "| name | value | none |",
        "| ---: | ---: | ---: |",
        "| x | 0.12346 |  |",
    ]


def test_the_page_shows_the_numbers_of_the_tables_beside_it(theory):
    """The tables of the page are columns of what the script prints, and the files beside it what the script wrote."""
    docs = SCRIPT.parents[1] / "docs"
    page = (docs / "theory.md").read_text(encoding="utf-8")
    ordering, transfer = (rows_of(docs / "theory" / f"{name}.csv") for name in ("ordering", "transfer"))
    for rows, columns in ((ordering, ORDERING), (theory.summary(transfer), FUTURES)):
        lines = theory.table([{name: row[name] for name in columns} for row in rows]).splitlines()[2:]
        assert [line for line in lines if line not in page] == []
    assert "(theory/transfer.svg)" in page
    assert (docs / "theory" / "transfer.svg").is_file()
