"""Parts of a set of examples: a uniform subsample, a held-out part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.leaks import leak_key, twin_of, twins_of


@dataclass(frozen=True, slots=True)
class Split:
    """A set in two parts that share no prompt."""

    held: tuple[Example, ...]
    """What was held out, in file order."""
    rest: tuple[Example, ...]
    """What is left, in file order."""
    repeats: int
    """Examples that left the set because they repeat the prompt of a held-out one."""


def subsample(examples: Sequence[Example], most: int | None, rng: np.random.Generator) -> tuple[Example, ...]:
    """Return at most `most` examples drawn uniformly without replacement, in file order; null = all.

    A smaller subsample from the same generator is part of a larger one.
    """
    if most is None or most >= len(examples):
        return tuple(examples)
    return tuple(examples[row] for row in np.sort(rng.permutation(len(examples))[:most]))


def hold_out(examples: Sequence[Example], count: int, rng: np.random.Generator, what: str) -> Split:
    """Return `count` examples with distinct prompts, drawn uniformly over prompts, and what is left without them.

    Prompts are compared as leaks are (`leak_key`), so a repeat of a held-out question is on neither side.

    Args:
        examples: The whole set.
        count: How many to hold out, 0 or more.
        rng: Draws them.
        what: What is held out of what, for the message.

    Raises:
        DataError: Fewer than `count` + 1 distinct prompts.
    """
    if count == 0:
        return Split((), tuple(examples), 0)
    keys = [leak_key(example) for example in examples]
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    firsts = sorted(first.values())
    if count >= len(firsts):
        raise DataError(
            f"{what} must leave something to train on, but takes {count} of {len(firsts)} distinct prompts. Hold out "
            "fewer, or add training files."
        )
    held = sorted(firsts[place] for place in rng.permutation(len(firsts))[:count])
    twins = twins_of({what: [examples[row] for row in held]})
    rest = tuple(example for example in examples if twin_of(example, twins) is None)
    return Split(tuple(examples[row] for row in held), rest, len(examples) - len(rest) - len(held))
