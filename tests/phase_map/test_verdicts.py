import numpy as np
import pytest

from farsighted.core.verdicts import VERDICTS
from farsighted.phase_map.design import design_points
from farsighted.phase_map.verdicts import WORDS, Differences, inside, legend, region_row, regions, verdict, verdicts


@pytest.mark.parametrize(
    ("now", "later", "word"),
    [
        ((3, 1), (0.03, 0.01), "far-sighted"),
        ((-3, 1), (0.03, 0.01), "far-sighted"),
        ((3, 1), (0.001, 0.001), "harmless"),
        ((-3, 1), (0.001, 0.001), "costly"),
        ((3, 1), (-0.03, 0.01), "myopic"),
        ((-1, 1), (-0.03, 0.01), "myopic"),
        ((-3, 1), (-0.03, 0.01), "worse"),
        ((3, 1), (-0.01, 0.01), "undecided"),
    ],
)
def test_a_verdict_is_that_of_two_intervals_of_two_standard_errors(now, later, word):
    assert verdict(*now, *later) == word


def test_a_point_whose_cell_diverged_has_no_verdict():
    found = Differences(np.array([3.0, np.nan]), np.ones(2), np.array([-0.3, np.nan]), np.full(2, 0.1))
    assert verdicts(found) == ["myopic"]


def test_the_thirds_of_an_axis_hold_every_point_once():
    points = design_points(64, 0)
    for axis in ("noise", "budget", "rank"):
        values = {axis: np.array([getattr(point, axis) for point in points])}
        parts = [inside(region, values, 64) for region in regions() if region.axis == axis]
        assert np.array_equal(np.sum(parts, axis=0), np.ones(64))


def test_a_region_is_judged_by_its_mean_and_counts_single_points():
    later_P = np.array([-0.03, -0.02, -0.04, -0.001])
    found = Differences(np.array([2.0, 2.1, 1.9, 2.0]), np.full(4, 0.1), later_P, np.full(4, 0.01))
    row = region_row(found)
    assert row["verdict"] == "myopic"
    assert (row["points"], row["counts"]["myopic"], row["counts"]["undecided"]) == (4, 2, 2)
    assert row["later"] == pytest.approx(later_P.mean())
    assert row["later_error"] == pytest.approx(later_P.std(ddof=1) / 2)


def test_a_region_of_one_point_has_no_verdict():
    assert region_row(Differences(*np.ones((4, 1))))["verdict"] is None


def test_the_words_are_those_of_every_report():
    assert (*WORDS, "no verdict") == VERDICTS
    assert all(word in legend() for word in WORDS)
