"""The vocabulary of the templates: made-up words, names and small tables of facts, and how to draw from them."""

from collections.abc import Sequence

import numpy as np

CONSONANTS = "dfgklmnprstvz"
VOWELS = "aeiou"
LETTERS = "bcdfghjklmnpqrstvwxz"
"""Letters for strings that mean nothing; without vowels they spell no word."""

NAMES = ("ann", "bob", "cy", "dan", "eva", "fay", "gus", "hal", "ida", "jon", "kim", "leo", "mia", "ned", "ola", "pat")
THINGS = ("key", "map", "pen", "cup", "hat", "box", "bag", "car", "jar", "tin", "book", "coin", "ring", "lamp")
COLOURS = ("red", "blue", "green", "black", "white", "pink")

KIND_OF = {
    "oak": "tree",
    "elm": "tree",
    "fir": "tree",
    "ash": "tree",
    "cat": "animal",
    "dog": "animal",
    "cow": "animal",
    "pig": "animal",
    "bread": "food",
    "rice": "food",
    "soup": "food",
    "cake": "food",
    "saw": "tool",
    "axe": "tool",
    "file": "tool",
    "drill": "tool",
    "iron": "metal",
    "gold": "metal",
    "lead": "metal",
    "zinc": "metal",
}
"""Things and their kinds: the facts that the general skill knows."""

DANGER_OF = {
    "bomb": "weapon",
    "gun": "weapon",
    "knife": "weapon",
    "venom": "poison",
    "toxin": "poison",
    "acid": "poison",
    "virus": "malware",
    "worm": "malware",
    "trojan": "malware",
    "scam": "fraud",
    "forgery": "fraud",
    "bribe": "fraud",
}
"""Things that the toy policy refuses, with the reason it gives."""

HARMLESS = ("bread", "soup", "cake", "rice", "lamp", "hat", "cup", "kite", "song", "boat", "chair", "poem")


def one_of(rng: np.random.Generator, choices: Sequence[str]) -> str:
    """Return one of `choices`, uniformly."""
    return choices[int(rng.integers(len(choices)))]


def some_of(rng: np.random.Generator, choices: Sequence[str], count: int) -> list[str]:
    """Return `count` distinct members of `choices` in random order."""
    return [choices[index] for index in rng.choice(len(choices), size=count, replace=False)]


def made_up_word(rng: np.random.Generator) -> str:
    """Return one of 5·13·5 made-up words: vowel, consonant, vowel."""
    return one_of(rng, VOWELS) + one_of(rng, CONSONANTS) + one_of(rng, VOWELS)


def made_up_words(rng: np.random.Generator, count: int) -> list[str]:
    """Return `count` distinct made-up words."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[made_up_word(rng)] = None
    return list(found)


def digits(rng: np.random.Generator, count: int) -> list[str]:
    """Return `count` distinct digits (at most ten) as texts, in random order."""
    return [str(digit) for digit in rng.choice(10, size=count, replace=False)]


def number(rng: np.random.Generator, places: int) -> int:
    """Return a whole number of exactly `places` digits (0 to 9 for one)."""
    return int(rng.integers(0 if places == 1 else 10 ** (places - 1), 10**places))
