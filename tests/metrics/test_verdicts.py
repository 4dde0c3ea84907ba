import math

import pytest

from farsighted.core.verdicts import VERDICTS
from farsighted.metrics.verdicts import side_of, verdict_of


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [
        (0.006, 0.02, "above"),
        (0.001, 0.02, "above"),
        (0.001, 0.004, "small"),
        (-0.004, -0.001, "small"),
        (-0.005, 0.005, "small"),
        (-0.02, -0.001, "below"),
        (-0.001, 0.02, "open"),
        (0.0, 0.02, "open"),
        (-0.02, 0.0, "open"),
    ],
)
def test_an_interval_lies_on_one_side_or_is_small_or_open(low, high, side):
    assert side_of(low, high, 0.005) == side


def test_without_a_smallest_effect_only_nothing_at_all_is_small():
    assert side_of(0.0, 0.0, 0.0) == "small"
    assert side_of(1e-9, 1e-9, 0.0) == "above"


@pytest.mark.parametrize(("low", "high"), [(math.nan, 1.0), (1.0, math.nan)])
def test_what_was_not_measured_lies_nowhere(low, high):
    with pytest.raises(ValueError, match="two ends"):
        side_of(low, high, 0.005)


TABLE = {
    "above": {"above": "far-sighted", "small": "far-sighted", "open": "far-sighted", "below": "far-sighted"},
    "small": {"above": "harmless", "small": "harmless", "open": "harmless", "below": "costly"},
    "below": {"above": "myopic", "small": "myopic", "open": "myopic", "below": "worse"},
    "open": {"above": "undecided", "small": "undecided", "open": "undecided", "below": "undecided"},
}


@pytest.mark.parametrize("later", TABLE)
@pytest.mark.parametrize("now", ["above", "small", "open", "below"])
def test_two_sides_make_the_word_of_the_table(later, now):
    assert verdict_of(later, now) == TABLE[later][now]


def test_every_word_but_no_verdict_can_come_of_two_sides():
    assert {word for row in TABLE.values() for word in row.values()} == set(VERDICTS) - {"no verdict"}
