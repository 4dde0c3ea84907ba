import numpy as np
import pytest

from farsighted.worlds.skills.words import CONSONANTS, VOWELS, digits, made_up_word, made_up_words, number, some_of


def rng():
    return np.random.default_rng(0)


def test_a_made_up_word_is_vowel_consonant_vowel_and_all_of_them_can_come():
    generator = rng()
    found = {made_up_word(generator) for _ in range(10_000)}
    assert found == {a + b + c for a in VOWELS for b in CONSONANTS for c in VOWELS}


def test_made_up_words_are_distinct():
    assert len(set(made_up_words(rng(), 60))) == 60


def test_some_of_are_distinct_members():
    found = some_of(rng(), "abcdef", 6)
    assert sorted(found) == list("abcdef")


def test_digits_are_distinct_texts():
    assert sorted(digits(rng(), 10)) == list("0123456789")


@pytest.mark.parametrize(("places", "low", "high"), [(1, 0, 9), (2, 10, 99), (3, 100, 999)])
def test_a_number_has_exactly_its_places(places, low, high):
    generator = rng()
    found = {number(generator, places) for _ in range(20_000)}
    assert (min(found), max(found)) == (low, high)
