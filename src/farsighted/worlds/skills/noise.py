"""Damage to responses, and the quality that is left: measured on the text, not merely declared."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from farsighted.worlds.skills.words import CONSONANTS, VOWELS, one_of

NOISY_SHARE = 0.3
"""Share of pool examples whose response is put at risk unless told otherwise; the others stay exact."""
RATES = (0.1, 1.0)
"""Range of the damage rate, uniform per example at risk."""

GARBAGE = "#@~^|%"
CHATTER = ("um", "well", "hm", "so", "lol", "ok", "maybe")


class Response(NamedTuple):
    """A response of a pool, and its true quality."""

    text: str
    quality: float
    """1 - edit distance to the exact answer / length of the longer of the two, in [0, 1]; 1 where they are equal."""


def noisy_response(rng: np.random.Generator, answer: str, share: float = NOISY_SHARE) -> Response:
    """Return the exact answer or a damaged one, with its true quality.

    With probability `share` a rate is drawn from `RATES` and one kind of damage is done at that rate: wrong
    characters, garbled characters, stuttered words or irrelevant chatter. A low rate may leave the answer exact.
    """
    if rng.random() >= share:
        return Response(answer, 1.0)
    rate = float(rng.uniform(*RATES))
    text = DAMAGES[rng.integers(len(DAMAGES))](rng, answer, rate)
    return Response(text, quality(text, answer))


def quality(text: str, answer: str) -> float:
    """Return 1 - edit distance / length of the longer text, in [0, 1].

    >>> quality("19", "19"), quality("18", "19"), quality("xy", "19")
    (1.0, 0.5, 0.0)
    """
    longer = max(len(text), len(answer))
    return 1.0 if longer == 0 else 1.0 - edit_distance(text, answer) / longer


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and substitutions that turn `left` into `right`.

    >>> edit_distance("kitten", "sitting")
    3
    """
    above = list(range(len(right) + 1))
    for row, left_letter in enumerate(left, start=1):
        here = [row]
        for column, right_letter in enumerate(right, start=1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (left_letter != right_letter)))
        above = here
    return above[-1]


def _wrong(rng: np.random.Generator, answer: str, rate: float) -> str:
    return "".join(_other(rng, letter) if rng.random() < rate else letter for letter in answer)


def _garble(rng: np.random.Generator, answer: str, rate: float) -> str:
    return "".join(one_of(rng, GARBAGE) if rng.random() < rate else letter for letter in answer)


def _stutter(rng: np.random.Generator, answer: str, rate: float) -> str:
    return " ".join(f"{word} {word}" if rng.random() < rate else word for word in answer.split(" "))


def _chatter(rng: np.random.Generator, answer: str, rate: float) -> str:
    words = [one_of(rng, CHATTER) for _ in range(int(rng.binomial(4, rate)))]
    before = bool(rng.integers(2))
    return " ".join([*words, answer] if before else [answer, *words])


def _other(rng: np.random.Generator, letter: str) -> str:
    """Return another character of the same kind, so that the damage is not seen at a glance."""
    kind = "0123456789" if letter.isdigit() else CONSONANTS + VOWELS if letter.isalpha() else GARBAGE
    return one_of(rng, [other for other in kind if other != letter])


DAMAGES: tuple[Callable[[np.random.Generator, str, float], str], ...] = (_wrong, _garble, _stutter, _chatter)
