import math

import pytest

from farsighted.core.errors import DataError
from farsighted.phase_map.advice import advise
from farsighted.phase_map.map import map_of_records
from farsighted.phase_map.rules import COORDINATES
from oracles.fabricated_records import DESIGN, records

MIDDLE = {"alignment": 0.5, "redundancy": 0.45, "noise": 0.5, "budget": 0.3, "rank": 0.5}


@pytest.fixture(scope="module")
def by_alignment():
    """Worse later by 0.2 where stages have nothing in common, better by 0.2 where they are one."""
    slope = lambda place, rng: -0.2 + 0.4 * place["alignment"] + 0.01 * rng.normal()  # noqa: E731
    return map_of_records(records(128, later=slope, now=lambda place, rng: 1.0), DESIGN)


def test_far_apart_stages_are_foretold_myopic_and_near_ones_better(by_alignment):
    far, near = (advise(by_alignment, MIDDLE | {"alignment": value}).selectors["loss"] for value in (0.1, 0.9))
    assert (far.likeliest, near.likeliest) == ("myopic", "far-sighted")
    assert far.later.high < 0 < near.later.low
    assert far.later.value == pytest.approx(-0.16, abs=0.01)
    assert far.settled


def test_an_interval_holds_the_value_and_is_about_as_wide_as_the_noise(by_alignment):
    later = advise(by_alignment, MIDDLE).selectors["lhas"].later
    assert later.low < later.value < later.high
    assert later.high - later.low == pytest.approx(2 * 1.645 * 0.01, rel=0.5)


def test_a_place_amid_the_points_is_no_extrapolation_and_one_beyond_them_is(by_alignment):
    inside, outside = (advise(by_alignment, MIDDLE | {"rank": value}) for value in (0.5, 0.001))
    assert not inside.extrapolates
    assert outside.extrapolates
    assert outside.outside == ("rank",)


def test_a_place_at_the_border_of_the_map_is_not_beyond_it_for_the_last_digit(by_alignment):
    border = float(by_alignment.places[:, COORDINATES.index("rank")].max())
    at, past = (advise(by_alignment, MIDDLE | {"rank": border + more}) for more in (4e-6, 1e-3))
    assert (at.outside, past.outside) == ((), ("rank",))


def test_a_place_in_a_hole_of_the_map_extrapolates():
    far = lambda one: max(abs(one["measured"][name] - MIDDLE[name]) for name in MIDDLE) > 0.25  # noqa: E731
    gapped = [one for one in records(256, budget=0.3) if far(one)]
    found = advise(map_of_records(gapped, DESIGN), MIDDLE)
    assert not found.outside
    assert found.distance > found.usual
    assert found.extrapolates


def test_an_unknown_coordinate_is_averaged_over_the_map(by_alignment):
    found = advise(by_alignment, MIDDLE | {"alignment": math.nan})
    assert found.unknown == ("alignment",)
    assert found.selectors["loss"].later.value == pytest.approx(0.0, abs=0.01)


def test_neighbours_are_at_most_a_quarter_of_the_map():
    assert advise(map_of_records(records(40), DESIGN), MIDDLE).neighbours == 10


def test_a_place_of_which_nothing_is_known_is_refused(by_alignment):
    with pytest.raises(DataError, match="none could be measured"):
        advise(by_alignment, dict.fromkeys(MIDDLE, math.nan))
