"""Reasoning: follow a chain of facts told in the prompt."""

from itertools import pairwise

import numpy as np

from farsighted.worlds.skills.template import Fields, Template
from farsighted.worlds.skills.words import COLOURS, LETTERS, NAMES, THINGS, made_up_words, number, one_of, some_of


def _highest(rng: np.random.Generator, size: int) -> Fields:
    names = some_of(rng, NAMES, size + 1)
    links = [f"{high} over {low}" for high, low in pairwise(names)]
    told = ", ".join(links[place] for place in rng.permutation(size))
    top = bool(rng.integers(2))
    return Fields((told, "top" if top else "bottom"), names[0] if top else names[-1])


def _belongs(rng: np.random.Generator, size: int) -> Fields:
    """One member and `size` kinds, each with its colour."""
    kinds = made_up_words(rng, size)
    colours = some_of(rng, COLOURS, size)
    wanted = int(rng.integers(size))
    name = one_of(rng, NAMES)
    facts = ", ".join(f"{kind} is {colour}" for kind, colour in zip(kinds, colours, strict=True))
    return Fields((facts, name, kinds[wanted]), colours[wanted])


def _place(rng: np.random.Generator, size: int) -> Fields:
    things = some_of(rng, THINGS, size + 1)
    links = [f"{inner} in {outer}" for inner, outer in pairwise(things)]
    return Fields((", ".join(links[place] for place in rng.permutation(size)), things[0]), things[-1])


def _more(rng: np.random.Generator, size: int) -> Fields:
    names = some_of(rng, NAMES, size)
    amounts = rng.choice(30, size=size, replace=False)
    told = ", ".join(f"{name} has {amount}" for name, amount in zip(names, amounts, strict=True))
    return Fields((told,), names[int(amounts.argmax())])


def _total(rng: np.random.Generator, size: int) -> Fields:
    """A holding and `size` gifts."""
    amounts = [number(rng, 1) for _ in range(size + 1)]
    gifts = " then ".join(f"gets {amount}" for amount in amounts[1:])
    return Fields((f"{one_of(rng, NAMES)} has {amounts[0]}, {gifts}",), str(sum(amounts)))


def _guests(rng: np.random.Generator, size: int) -> Fields:
    names = some_of(rng, NAMES, size)
    return Fields((", ".join(names),), str(size))


def _analogy(rng: np.random.Generator, size: int) -> Fields:
    """Two groups of letters turned round, a third to be turned."""
    sample, asked = some_of(rng, LETTERS, size), some_of(rng, LETTERS, size)
    values = ("".join(sample), "".join(reversed(sample)), "".join(asked))
    return Fields(values, "".join(reversed(asked)))


TEMPLATES = (
    Template(
        "highest",
        "ordering",
        "links",
        _highest,
        sizes=(1, 2),
        wordings=("{0}. {1}?", "{0}. who is {1}?", "{0}. find the {1}"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{0}. find who is {1}",),
    ),
    Template(
        "belongs",
        "logic",
        "kinds",
        _belongs,
        sizes=(1, 2),
        wordings=("{0}. {1} is {2}. {1}?", "{0}. {1} is {2}. colour?", "{1} is {2}. {0}. {1}?"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{1} is {2}. {0}. colour?",),
    ),
    Template(
        "place",
        "logic",
        "links",
        _place,
        sizes=(1, 2),
        wordings=("{0}. {1} at last?", "{0}. where is {1}?", "{0}. find {1}"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{0}. so where is {1}?",),
    ),
    Template(
        "more",
        "comparison",
        "people",
        _more,
        sizes=(2, 3),
        wordings=("{0}. most?", "{0}. who has most?", "{0}. the richest?"),
        shifted_sizes=(3, 4),
        shifted_wordings=("{0}. who is the richest?",),
    ),
    Template(
        "total",
        "arithmetic",
        "gifts",
        _total,
        sizes=(1, 2),
        wordings=("{0}. total?", "{0}. how many now?", "{0}. that makes"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{0}. how many in total?",),
    ),
    Template(
        "guests",
        "counting",
        "names",
        _guests,
        sizes=(2, 3, 4),
        wordings=("{0} came. count?", "{0} came. how many?", "{0} came. guests?"),
        shifted_sizes=(4, 5),
        shifted_wordings=("{0} came. how many guests?",),
    ),
    Template(
        "analogy",
        "transform",
        "letters",
        _analogy,
        sizes=(2, 3),
        wordings=("{0} to {1}, {2} to", "{0}:{1} as {2}:", "{0} gives {1}, {2} gives"),
        shifted_sizes=(3, 4),
        shifted_wordings=("as {0} to {1}, {2} to",),
    ),
)
