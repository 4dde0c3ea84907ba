from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.worlds.skills.noise import DAMAGES, NOISY_SHARE, edit_distance, noisy_response, quality

WORDS = st.text(alphabet="ab c", max_size=7)


def distance_by_definition(left, right):
    @cache
    def least(i, j):
        if i == 0 or j == 0:
            return i + j
        change = least(i - 1, j - 1) + (left[i - 1] != right[j - 1])
        return min(least(i - 1, j) + 1, least(i, j - 1) + 1, change)

    return least(len(left), len(right))


@given(WORDS, WORDS)
@settings(max_examples=60)
def test_edit_distance_equals_its_recursive_definition(left, right):
    assert edit_distance(left, right) == distance_by_definition(left, right)


@pytest.mark.parametrize(
    ("text", "expected"), [("abcd", 1.0), ("abcx", 0.75), ("wxyz", 0.0), ("abcd abcd", 1 - 5 / 9), ("", 0.0)]
)
def test_quality_is_one_minus_the_damaged_share(text, expected):
    assert quality(text, "abcd") == pytest.approx(expected)


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_is_done_at_rate_zero_and_some_at_rate_one(damage):
    rng = np.random.default_rng(0)
    assert damage(rng, "ab 12", 0.0) == "ab 12"
    assert all(damage(rng, "ab 12", 1.0) != "ab 12" for _ in range(50))


def test_reported_quality_is_that_of_the_text_and_one_only_where_the_answer_is_exact():
    rng = np.random.default_rng(0)
    responses = [noisy_response(rng, "refuse: weapon") for _ in range(400)]
    assert all(r.quality == quality(r.text, "refuse: weapon") for r in responses)
    assert all((r.quality == 1.0) == (r.text == "refuse: weapon") for r in responses)
    assert all(r.text.strip() for r in responses)


def test_the_share_of_exact_responses_is_at_least_the_share_that_is_never_at_risk():
    rng = np.random.default_rng(0)
    exact = np.mean([noisy_response(rng, "a long answer here").quality == 1.0 for _ in range(2000)])
    standard_error = (NOISY_SHARE * (1 - NOISY_SHARE) / 2000) ** 0.5
    assert 1 - NOISY_SHARE - 4 * standard_error < exact < 1 - 0.7 * NOISY_SHARE
