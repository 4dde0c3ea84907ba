import pytest

from farsighted.core.names import did_you_mean

KNOWN = ["random", "loss", "gradient"]


@pytest.mark.parametrize(("word", "nearest"), [("los", "loss"), ("gradeint", "gradient"), ("Random", "random")])
def test_a_misspelt_word_is_answered_with_the_nearest_known_one(word, nearest):
    assert did_you_mean(word, KNOWN) == f"Did you mean '{nearest}'?"


def test_a_word_like_no_other_is_answered_with_all_known_ones_in_order():
    assert did_you_mean("xyz", KNOWN) == "Known: gradient, loss, random."


def test_the_known_words_may_be_the_keys_of_a_table_and_their_order_does_not_matter():
    assert did_you_mean("rand", dict.fromkeys(KNOWN)) == did_you_mean("rand", reversed(KNOWN))
