from itertools import combinations

import pytest

from farsighted.evaluation.graders import (
    cut,
    exact_answer,
    fenced_code,
    gsm8k_flexible,
    gsm8k_flexible_text,
    gsm8k_format_failure,
    gsm8k_strict,
    pass_at_k,
    token_f1,
)

GOLD = "6 * 3 = 18 eggs\n#### 18"


def test_strict_reads_the_first_number_after_the_hashes():
    assert gsm8k_strict("#### 18", GOLD) == 1
    assert gsm8k_strict("#### 18\n#### 19", GOLD) == 1
    assert gsm8k_strict("#### 19\n#### 18", GOLD) == 0
    assert gsm8k_strict("#### $18", GOLD) == 0
    assert gsm8k_strict("#### 18.", GOLD) == 1
    assert gsm8k_strict("#### 18.0", GOLD) == 0
    assert gsm8k_strict("####18", GOLD) == 0
    assert gsm8k_strict("#### -1,018", "#### -1018") == 1


def test_flexible_reads_the_last_number_anywhere():
    assert gsm8k_flexible("3 and 18", GOLD) == 1
    assert gsm8k_flexible("18 and 3", GOLD) == 0
    assert gsm8k_flexible("$18.", GOLD) == 1
    assert gsm8k_flexible("eighteen", GOLD) == 0


def test_numeric_equality_is_more_lenient_than_text_and_never_less():
    assert (gsm8k_flexible_text("18.00", GOLD), gsm8k_flexible("18.00", GOLD)) == (0, 1)
    assert (gsm8k_flexible_text("..", GOLD), gsm8k_flexible("..", GOLD)) == (0, 0)


def test_a_text_without_the_hashes_fails_the_format_even_where_its_number_is_right():
    assert gsm8k_format_failure("It is 18") == 1
    assert gsm8k_format_failure("#### 19") == 0


def test_answers_are_compared_without_case_punctuation_and_articles():
    assert exact_answer("the  Awakening.", ["x", "The Awakening"]) == 1
    assert exact_answer("An awakening now", ["The Awakening"]) == 0


def test_f1_is_the_harmonic_mean_of_precision_and_recall_over_words():
    # Two of three words are right, two of four are found: 2 * 2 / (3 + 4).
    assert token_f1("big red dog", ["red dog on grass"]) == pytest.approx(4 / 7)
    assert token_f1("red", ["blue", "red"]) == 1
    assert token_f1("", ["red"]) == token_f1("red", []) == 0
    # A word that is said twice counts once where the answer has it once.
    assert token_f1("red red", ["red"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("samples", "passed", "k"), [(5, 2, 1), (5, 2, 3), (5, 4, 2), (6, 0, 2), (4, 4, 4)])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_passing_program(samples, passed, k):
    draws = list(combinations(range(samples), k))
    share = sum(any(program < passed for program in draw) for draw in draws) / len(draws)
    assert pass_at_k(samples, passed, k) == pytest.approx(share)


def test_pass_at_k_refuses_more_draws_than_samples():
    with pytest.raises(ValueError, match=r"k must lie in 1\.\.2"):
        pass_at_k(2, 1, 3)


def test_a_text_is_cut_at_the_stop_that_comes_first():
    assert cut("a\nif b\ndef c", ["\ndef ", "\nif "]) == "a"
    assert cut("abc", []) == "abc"


def test_code_is_taken_out_of_its_fence():
    assert fenced_code("Sure:\n```python\nx = 1\n```\nDone") == "x = 1\n"
    assert fenced_code("```\nx = 1") == "x = 1"
    assert fenced_code("x = 1") == "x = 1"
