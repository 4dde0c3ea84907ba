"""General instructions: repeat, pick, put into capitals, count, compare, sort, say what kind of thing."""

import numpy as np

from farsighted.worlds.skills.template import Fields, Template
from farsighted.worlds.skills.words import KIND_OF, LETTERS, made_up_words, number, some_of


def _repeat(rng: np.random.Generator, size: int) -> Fields:
    text = " ".join(made_up_words(rng, size))
    return Fields((text,), text)


def _pick(rng: np.random.Generator, size: int) -> Fields:
    words = made_up_words(rng, size)
    first = bool(rng.integers(2))
    return Fields(("first" if first else "last", " ".join(words)), words[0] if first else words[-1])


def _capitals(rng: np.random.Generator, size: int) -> Fields:
    text = "".join(some_of(rng, LETTERS, size))
    return Fields((text,), text.upper())


def _count_words(rng: np.random.Generator, size: int) -> Fields:
    return Fields((" ".join(made_up_words(rng, size)),), str(size))


def _bigger(rng: np.random.Generator, size: int) -> Fields:
    left = number(rng, size)
    right = number(rng, size)
    while right == left:
        right = number(rng, size)
    return Fields((str(left), str(right)), str(max(left, right)))


def _sort(rng: np.random.Generator, size: int) -> Fields:
    letters = some_of(rng, LETTERS, size)
    return Fields((" ".join(letters),), " ".join(sorted(letters)))


def _kind(rng: np.random.Generator, size: int) -> Fields:
    things = some_of(rng, tuple(KIND_OF), size)
    return Fields((" ".join(things),), " ".join(KIND_OF[thing] for thing in things))


TEMPLATES = (
    Template(
        "repeat",
        "copy",
        "words",
        _repeat,
        sizes=(1, 2, 3),
        wordings=("repeat: {0}", "say: {0}", "echo: {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("repeat this: {0}", "now say: {0}"),
    ),
    Template(
        "pick",
        "copy",
        "words",
        _pick,
        sizes=(2, 3, 4),
        wordings=("{0} word: {1}", "{0} of {1}", "{0} in {1}"),
        shifted_sizes=(4, 5),
        shifted_wordings=("the {0} of {1}",),
    ),
    Template(
        "capitals",
        "transform",
        "letters",
        _capitals,
        sizes=(2, 3, 4),
        wordings=("upper: {0}", "capitals: {0}", "big letters: {0}"),
        shifted_sizes=(4, 5),
        shifted_wordings=("in capitals: {0}",),
    ),
    Template(
        "count_words",
        "counting",
        "words",
        _count_words,
        sizes=(1, 2, 3, 4),
        wordings=("count: {0}", "how many words: {0}", "number of words: {0}"),
        shifted_sizes=(3, 4, 5),
        shifted_wordings=("count words: {0}",),
    ),
    Template(
        "bigger",
        "comparison",
        "digits",
        _bigger,
        sizes=(1, 2, 3),
        wordings=("bigger: {0} {1}", "{0} or {1}, bigger?", "more: {0} {1}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("the bigger: {0} {1}",),
    ),
    Template(
        "sort",
        "ordering",
        "letters",
        _sort,
        sizes=(2, 3),
        wordings=("sort: {0}", "in order: {0}", "arrange: {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("sort these: {0}",),
    ),
    Template(
        "kind",
        "logic",
        "things",
        _kind,
        sizes=(1, 2, 3),
        wordings=("kind: {0}", "what is: {0}", "class: {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("what kind: {0}",),
    ),
)
