"""Code: the value of a small Python program, written as Python writes it (`repr`)."""

import numpy as np

from farsighted.worlds.skills.template import Fields, Template
from farsighted.worlds.skills.words import LETTERS, digits, number, some_of


def _index(rng: np.random.Generator, size: int) -> Fields:
    values = digits(rng, size)
    place = int(rng.integers(size))
    return Fields((",".join(values), str(place)), values[place])


def _join(rng: np.random.Generator, size: int) -> Fields:
    letters = "".join(some_of(rng, LETTERS, size))
    cut = int(rng.integers(1, size))
    return Fields((letters[:cut], letters[cut:]), f"'{letters}'")


def _reverse(rng: np.random.Generator, size: int) -> Fields:
    letters = some_of(rng, LETTERS, size)
    return Fields(("".join(letters),), f"'{''.join(reversed(letters))}'")


def _length(rng: np.random.Generator, size: int) -> Fields:
    return Fields(("".join(some_of(rng, LETTERS, size)),), str(size))


def _sorted(rng: np.random.Generator, size: int) -> Fields:
    values = digits(rng, size)
    return Fields((",".join(values),), f"[{', '.join(sorted(values))}]")


def _less(rng: np.random.Generator, size: int) -> Fields:
    left, right = number(rng, size), number(rng, size)
    return Fields((str(left), str(right)), str(left < right))


def _assign(rng: np.random.Generator, size: int) -> Fields:
    names = some_of(rng, LETTERS, size)
    values = [number(rng, 1) for _ in names]
    lines = ";".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return Fields((lines, "+".join(names)), str(sum(values)))


def _boolean(rng: np.random.Generator, size: int) -> Fields:
    truths = [bool(bit) for bit in rng.integers(2, size=size)]
    name = some_of(rng, LETTERS, 1)[0]
    words = [str(truth) for truth in truths]
    joint = bool(rng.integers(2))
    text = (" and " if joint else " or ").join([*words, name])
    known = bool(rng.integers(2))
    answer = all([*truths, known]) if joint else any([*truths, known])
    return Fields((f"{name}={known};", text), str(answer))


TEMPLATES = (
    Template(
        "index",
        "copy",
        "entries",
        _index,
        sizes=(2, 3),
        wordings=("[{0}][{1}]", "x=[{0}];x[{1}]", "print([{0}][{1}])"),
        shifted_sizes=(3, 4),
        shifted_wordings=("x=[{0}];print(x[{1}])",),
    ),
    Template(
        "join",
        "copy",
        "letters",
        _join,
        sizes=(2, 3, 4),
        wordings=("'{0}'+'{1}'", "str('{0}'+'{1}')", "x='{0}';x+'{1}'"),
        shifted_sizes=(4, 5),
        shifted_wordings=("x='{0}'+'{1}';x",),
    ),
    Template(
        "reverse",
        "transform",
        "letters",
        _reverse,
        sizes=(2, 3, 4),
        wordings=("'{0}'[::-1]", "str('{0}')[::-1]", "x='{0}';x[::-1]"),
        shifted_sizes=(4, 5),
        shifted_wordings=("x='{0}'[::-1];x",),
    ),
    Template(
        "length",
        "counting",
        "letters",
        _length,
        sizes=(2, 3, 4, 5),
        wordings=("len('{0}')", "print(len('{0}'))", "x='{0}';len(x)"),
        shifted_sizes=(4, 5, 6),
        shifted_wordings=("x=len('{0}');x",),
    ),
    Template(
        "sorted",
        "ordering",
        "entries",
        _sorted,
        sizes=(2, 3),
        wordings=("sorted([{0}])", "x=[{0}];sorted(x)", "print(sorted([{0}]))"),
        shifted_sizes=(3, 4),
        shifted_wordings=("x=sorted([{0}]);x",),
    ),
    Template(
        "less",
        "comparison",
        "digits",
        _less,
        sizes=(1, 2),
        wordings=("{0}<{1}", "print({0}<{1})", "x={0};x<{1}"),
        shifted_sizes=(2, 3),
        shifted_wordings=("x={0}<{1};x",),
    ),
    Template(
        "assign",
        "arithmetic",
        "variables",
        _assign,
        sizes=(1, 2),
        wordings=("{0};{1}", "{0};print({1})", "{0};y={1};y"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{0};y={1};print(y)",),
    ),
    Template(
        "boolean",
        "logic",
        "operators",
        _boolean,
        sizes=(1, 2),
        wordings=("{0}{1}", "{0}print({1})", "{0}y={1};y"),
        shifted_sizes=(2, 3),
        shifted_wordings=("{0}y={1};print(y)",),
    ),
)
