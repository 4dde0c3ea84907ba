"""Mathematics: sums, differences, sequences, the largest of a list, ascending order, parity, tallies."""

import numpy as np

from farsighted.worlds.skills.template import Fields, Template
from farsighted.worlds.skills.words import digits, number


def _operands(rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Two operands with `size` digits in all, the shorter first: 1 and 1, 1 and 2, 2 and 2."""
    return number(rng, size // 2), number(rng, (size + 1) // 2)


def _add(rng: np.random.Generator, size: int) -> Fields:
    left, right = _operands(rng, size)
    return Fields((str(left), str(right)), str(left + right))


def _subtract(rng: np.random.Generator, size: int) -> Fields:
    low, high = sorted(_operands(rng, size))
    return Fields((str(high), str(low)), str(high - low))


def _next(rng: np.random.Generator, size: int) -> Fields:
    start = number(rng, 1 + int(rng.integers(2)))
    terms = [start + size * place for place in range(4)]
    return Fields((",".join(map(str, terms[:3])),), str(terms[3]))


def _largest(rng: np.random.Generator, size: int) -> Fields:
    values = [number(rng, 2) for _ in range(size)]
    return Fields((",".join(map(str, values)),), str(max(values)))


def _ascending(rng: np.random.Generator, size: int) -> Fields:
    values = digits(rng, size)
    return Fields((",".join(values),), ",".join(sorted(values)))


def _parity(rng: np.random.Generator, size: int) -> Fields:
    value = number(rng, size)
    asked = int(rng.integers(2))
    return Fields((str(value), ("even", "odd")[asked]), "yes" if value % 2 == asked else "no")


def _tally(rng: np.random.Generator, size: int) -> Fields:
    wanted, other = digits(rng, 2)
    hits = rng.integers(2, size=size).astype(bool)
    text = "".join(wanted if hit else other for hit in hits)
    return Fields((wanted, text), str(int(hits.sum())))


TEMPLATES = (
    Template(
        "add",
        "arithmetic",
        "digits of both operands",
        _add,
        sizes=(2, 3),
        wordings=("{0}+{1}=", "{0} plus {1}", "add {0} and {1}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("{0} + {1} =", "{0} and {1} add up to"),
    ),
    Template(
        "subtract",
        "arithmetic",
        "digits of both operands",
        _subtract,
        sizes=(2, 3),
        wordings=("{0}-{1}=", "{0} minus {1}", "{0} less {1}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("{0} - {1} =", "take {0} less {1}"),
    ),
    Template(
        "next",
        "arithmetic",
        "step of the sequence",
        _next,
        sizes=(1, 2, 3, 4),
        wordings=("next: {0}", "go on: {0}", "{0} and then"),
        shifted_sizes=(4, 5),
        shifted_wordings=("what is next: {0}",),
    ),
    Template(
        "largest",
        "comparison",
        "numbers",
        _largest,
        sizes=(2, 3),
        wordings=("max({0})", "largest of {0}", "top of {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("the largest of {0}",),
    ),
    Template(
        "ascending",
        "ordering",
        "numbers",
        _ascending,
        sizes=(2, 3),
        wordings=("ascending: {0}", "order {0}", "smallest first {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("in ascending order {0}",),
    ),
    Template(
        "parity",
        "logic",
        "digits",
        _parity,
        sizes=(1, 2, 3),
        wordings=("{0} {1}?", "is {0} {1}", "{1}: {0}"),
        shifted_sizes=(3, 4),
        shifted_wordings=("is {0} an {1} one",),
    ),
    Template(
        "tally",
        "counting",
        "digits",
        _tally,
        sizes=(2, 3, 4),
        wordings=("count {0} in {1}", "how many {0}: {1}", "{0}s of {1}"),
        shifted_sizes=(4, 5),
        shifted_wordings=("how many {0} in {1}",),
    ),
)
