import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.values import Example
from farsighted.signals.heuristics import _scripts, difficulty_from_nll, ifd_quality, rule_quality


def quality(response):
    return rule_quality(Example("a", "p", response))


@settings(max_examples=60)
@given(st.text(max_size=80) | st.text(alphabet="ab ,\n", max_size=300))
def test_quality_lies_between_0_and_1(response):
    assert 0 <= quality(response) <= 1


@settings(max_examples=20)
@given(st.text(max_size=80))
def test_white_space_around_a_response_does_not_count(response):
    assert quality(f" \n{response}\t ") == quality(response)


@pytest.mark.parametrize("response", ["42", "The answer is 42.", "x = f(a, b)", "Ja, größer."])
def test_a_plain_short_response_has_nothing_against_it(response):
    assert quality(response) == 1.0


@pytest.mark.parametrize(
    ("response", "length", "repetition", "characters", "ending"),
    [
        ("", 0, 1, 0, 0),
        ("4", 0.5, 1, 1, 1),
        ("abcdefghij" * 1600, 0.5, 1, 1, 0.5),
        ("a a a a a a", 1, 1 / 4, 1, 1),
        ("a b c a b c", 1, 3 / 4, 1, 1),
        ("ab☃☃", 1, 1, 0.5, 1),
        ("first, second,", 1, 1, 1, 0),
        ("call(", 1, 1, 1, 0),
        (" ".join(str(number) for number in range(100)) + " and", 1, 1, 1, 0.5),
        (" ".join(str(number) for number in range(100)) + " end.", 1, 1, 1, 1),
    ],
    ids=["empty", "one letter", "endless", "stutter", "loop", "signs", "comma", "bracket", "cut", "finished"],
)
def test_quality_is_the_mean_of_six_filters(response, length, repetition, characters, ending):
    assert quality(response) == pytest.approx((length + repetition + characters + ending + 2) / 6)


@pytest.mark.parametrize(
    ("prompt", "response", "share"),
    [
        ("Say hello.", "Bonjour, ça va ?", 1),
        ("Say hello.", "Привет", 1),
        ("Say hello.", "This is aллл", 7 / 10),
        ("Что это?", "This is лллл", 1),
        ("Say hello.", "你好、こんにちは", 1),
        ("Say hello.", "a你好", 1),
        ("Say hello.", "abc你好", 3 / 5),
        ("Say hello.", "¿42?", 1),
    ],
)
def test_letters_of_a_script_that_nothing_leads_to_count_against_a_response(prompt, response, share):
    """Only this filter reads the prompt: an empty one expects Latin and what most of the response is in."""
    assert _scripts(response, prompt) == pytest.approx(share)
    ascii_twin = "a" * len(response)
    assert _scripts(ascii_twin, prompt) == 1


def test_repeating_oneself_more_costs_more():
    once = "the cat sat on the mat"
    values = [quality(". ".join([once] * times)) for times in (1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4


def test_difficulty_is_the_rank_of_the_surprise_from_0_to_1_with_ties_in_the_middle():
    assert difficulty_from_nll(np.array([3.0, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.5]
    assert difficulty_from_nll(np.array([1.0, 5.0, 5.0, 9.0, 0.0])).tolist() == [0.25, 0.625, 0.625, 1.0, 0.0]


def test_equal_surprise_is_equal_difficulty():
    assert difficulty_from_nll(np.full(4, 2.0)).tolist() == [0.5] * 4


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare_with_is_neither_easy_nor_hard(count):
    assert difficulty_from_nll(np.ones(count)).tolist() == [0.5] * count


@settings(max_examples=30)
@given(st.lists(st.integers(-40, 40), min_size=2, max_size=20))
def test_difficulty_knows_the_order_of_surprise_alone(nll):
    found = difficulty_from_nll(np.array(nll, dtype=float))
    assert np.array_equal(found, difficulty_from_nll(np.exp(np.array(nll) / 10)))
    assert found.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("response", ["I'm sorry, but no.", "I can't help.", "As an AI language model", "Sorry"])
def test_a_refusal_counts_against_a_response(response):
    assert quality(response) == pytest.approx(5 / 6)


def test_what_only_speaks_of_refusing_is_no_refusal():
    assert quality("She said: I can't.") == 1.0


def test_ifd_is_the_share_of_surprise_that_the_prompt_leaves():
    assert ifd_quality(np.array([1.0, 3.0, 2.0, 0.5]), np.array([2.0, 2.0, 2.0, 0.0])).tolist() == [0.5, 0, 0, 0]
