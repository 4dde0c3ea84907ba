import math

import numpy as np
import pytest

from farsighted.paper.findings import above, all_of, decisive_single, not_run
from farsighted.results.estimates import Estimate, combine_rows, mean_of


def spread(value, half_width):
    return Estimate(value, np.linspace(value - half_width, value + half_width, 201), seeds=2)


def test_an_inequality_holds_fails_or_is_undecided_by_the_whole_interval():
    outcomes = {value: above("x", spread(value, 1.0), "points").outcome for value in (-2.0, 0.5, 2.0)}
    assert outcomes == {-2.0: "fails", 0.5: "undecided", 2.0: "holds"}
    assert above("x", spread(2.0, 1.0), "points", bound=4.0).outcome == "fails"


def test_the_interval_has_the_confidence_that_was_asked_for():
    finding = above("x", spread(0.0, 1.0), "points", confidence=0.5)
    assert (finding.low, finding.high) == pytest.approx((-0.5, 0.5))


def test_what_lies_on_the_bound_up_to_rounding_is_undecided():
    assert above("x", Estimate(1e-15, np.full(10, 1e-15)), "points").outcome == "undecided"


def test_what_was_not_measured_is_undecided_with_the_reason_that_survives_arithmetic():
    lost = Estimate.missing("not run: loss")
    finding = above("x", abs(mean_of([spread(1, 0.1), lost]) * 2 - spread(0, 0.1)), "points")
    assert (finding.outcome, finding.why, finding.number) == ("undecided", "not run: loss", "–")


def test_a_replicate_without_a_number_leaves_no_interval():
    finding = above("x", Estimate(1.0, np.array([1.0, np.nan, 1.0])), "points")
    assert (finding.outcome, finding.why) == ("undecided", "some resamples have no such number")
    assert finding.effect == 1


@pytest.mark.parametrize(
    ("values", "outcome", "decisive"),
    [
        ((3.0, 2.0), "holds", 2.0),
        ((3.0, -2.0, 0.5), "fails", -2.0),
        ((3.0, 0.5, -0.5), "undecided", -0.5),
        ((-2.0, -3.0), "fails", -3.0),
    ],
)
def test_several_hold_together_and_the_furthest_on_the_wrong_side_decides(values, outcome, decisive):
    whole = all_of("all", [above(str(value), spread(value, 1.0), "points") for value in values])
    assert (whole.outcome, whole.effect) == (outcome, decisive)
    assert decisive_single(whole).text == str(decisive)
    assert whole.singles == len(values)


def test_a_wide_interval_is_weighed_by_its_width_when_the_closest_is_sought():
    parts = [above("wide", spread(6.0, 5.0), "points"), above("narrow", spread(3.0, 0.1), "AUC")]
    assert all_of("all", parts).unit == "points"


def test_a_part_that_was_not_run_keeps_a_claim_undecided_but_not_from_failing():
    holds, fails = (above("x", spread(value, 1.0), "points") for value in (2.0, -2.0))
    absent = not_run("y", "budget 10%")
    assert all_of("all", [holds, absent]).outcome == "undecided"
    assert all_of("all", [holds, absent]).effect == 2
    assert all_of("all", [holds, absent]).why == "not run: budget 10%"
    assert all_of("all", [fails, absent]).outcome == "fails"
    assert math.isnan(all_of("all", [absent, absent]).effect)


def test_outcomes_of_nested_parts_are_counted_singly():
    holds, fails = (above("x", spread(value, 1.0), "points") for value in (2.0, -2.0))
    whole = all_of("all", [all_of("both", [holds, fails]), holds])
    assert (whole.singles, whole.count("holds"), whole.count("fails")) == (3, 2, 1)
    assert whole.outcome == "fails"


def test_a_claim_without_parts_is_a_mistake():
    with pytest.raises(ValueError, match="at least one part"):
        all_of("all", [])


def test_a_function_of_rows_goes_resample_by_resample():
    row = [Estimate(float(k), np.array([k, 10.0 - k]), seeds=k) for k in (1, 2, 3)]
    largest = combine_rows(lambda a_xK, b_xK: a_xK.max(axis=-1) - b_xK.min(axis=-1), row[:2], row[2:])
    assert (largest.value, largest.seeds) == (2 - 3, 1)
    np.testing.assert_array_equal(largest.replicates_B, [2 - 3, 9 - 7])
