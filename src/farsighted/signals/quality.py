"""Quality and difficulty of examples that carry no label: rule filters and the base model's surprise (spec §4)."""

from collections import Counter

import numpy as np
from scipy.stats import rankdata

from farsighted.core.values import Example

_SHORTEST, _LONGEST = 2, 8000
"""Characters of a response within which length says nothing against it."""


def rule_quality(example: Example) -> float:
    """Return a quality in [0, 1]: the mean of four filters on the response, each in [0, 1].

    Length: 1 within 2..8000 characters, falling outside. Repetition: distinct word trigrams over all (1 below four
    words). Characters: share of letters, digits, spaces and common punctuation. Ending: 1 unless the response is cut in
    a word after 200 characters or more, or ends in a comma or an opening bracket. A heuristic stands in for a label; it
    is no judge of truth.
    """
    text = example.response.strip()
    return float(np.mean([_length(text), _repetition(text), _characters(text), _ending(text)]))


def difficulty_from_nll(nll_N: np.ndarray) -> np.ndarray:
    """Return (N,) difficulties in [0, 1]: the rank of the base model's NLL within the pool, ties at mean ranks."""
    if len(nll_N) < 2:
        return np.full(len(nll_N), 0.5)
    ranks: np.ndarray = rankdata(nll_N)
    return (ranks - 1) / (len(nll_N) - 1)


def _length(text: str) -> float:
    if len(text) < _SHORTEST:
        return len(text) / _SHORTEST
    return min(1.0, _LONGEST / len(text))


def _repetition(text: str) -> float:
    words = text.split()
    if len(words) < 4:
        return 1.0
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    return len(trigrams) / sum(trigrams.values())


def _characters(text: str) -> float:
    if not text:
        return 0.0
    plain = sum(
        character.isalnum() or character.isspace() or character in ".,;:!?'\"()[]{}<>=+-*/%$#&_@|\\^~`"
        for character in text
    )
    return plain / len(text)


def _ending(text: str) -> float:
    if not text:
        return 0.0
    if text[-1] in ",([{":
        return 0.0
    return 0.5 if len(text) >= 200 and text[-1].isalpha() else 1.0
