"""Quality and difficulty of examples that carry no label: rule filters and the base model's surprise.

*Reference:* definitions.md#quality.
"""

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import Final

import numpy as np

from farsighted.core.values import Example
from farsighted.sets.greedy import rank01

_SHORTEST, _LONGEST = 2, 8000
"""Characters of a response within which length says nothing against it."""


def rule_quality(example: Example) -> float:
    """Return a quality in [0, 1]: the mean of six filters on the response, each in [0, 1].

    Length: 1 within 2..8000 characters, falling outside. Repetition: distinct word trigrams over all (1 below four
    words). Characters: share of letters, digits, spaces and common punctuation. Scripts: share of the letters that are
    Latin, of the script that most of them have, or of one that the prompt has too. Ending: 1 unless the response is cut
    in a word after 200 characters or more, or ends in a comma or an opening bracket. Refusal: 0 where it opens as one.
    A heuristic stands in for a label; it is no judge of truth.
    """
    text = example.response.strip()
    filters = [_length(text), _repetition(text), _characters(text), _scripts(text, example.prompt), _ending(text)]
    return float(np.mean([*filters, _willing(text)]))


def difficulty_from_nll(nll_N: np.ndarray) -> np.ndarray:
    """Return (N,) difficulties in [0, 1]: the rank of the base model's NLL within the pool, ties at mean ranks.

    NaN for all where one is NaN: there is no order then.

    *Reference:* definitions.md#difficulty.
    """
    if np.isnan(nll_N).any():
        return np.full(len(nll_N), np.nan)
    if len(nll_N) < 2:
        return np.full(len(nll_N), 0.5)
    return rank01(nll_N)


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


def _scripts(text: str, prompt: str) -> float:
    if text.isascii():
        return 1.0
    letters: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            letters[_script(character)] += count
    if not letters:
        return 1.0
    expected = {"LATIN", max(letters, key=lambda script: letters[script])}
    expected |= {_script(character) for character in set(prompt) if character.isalpha()}
    return sum(count for script, count in letters.items() if script in expected) / letters.total()


@cache
def _script(character: str) -> str:
    """The first word of a letter's Unicode name says its script; Japanese and Chinese share theirs."""
    name = unicodedata.name(character, "UNKNOWN").split(maxsplit=1)[0]
    return "CJK" if name in {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "IDEOGRAPHIC"} else name


def _ending(text: str) -> float:
    if not text:
        return 0.0
    if text[-1] in ",([{":
        return 0.0
    return 0.5 if len(text) >= 200 and text[-1].isalpha() else 1.0


def ifd_quality(nll_N: np.ndarray, alone_N: np.ndarray) -> np.ndarray:
    """Return (N,) the ratio of a response's NLL after its prompt to that without it, 0 where the prompt does not help.

    Near 1: the prompt says little of what the response must be, so there is much to learn; at 1 and above they do not
    fit together. *Reference:* Li et al. 2024 (Cherry LLM), instruction-following difficulty.

    Args:
        nll_N: (N,) mean NLL of the response after its prompt, nats.
        alone_N: (N,) the same without the prompt.

    >>> ifd_quality(np.array([1.0, 3.0]), np.array([2.0, 2.0])).tolist()
    [0.5, 0.0]
    """
    # A response that is sure without any prompt has nothing to learn from one.
    ratio_N = np.divide(nll_N, alone_N, out=np.ones(len(nll_N)), where=alone_N > 0)
    found: np.ndarray = np.where(ratio_N < 1, ratio_N, 0.0)
    return found


_REFUSAL: Final = re.compile(
    r"(i'?m sorry|sorry|i apologi[sz]e|i can(?:'|no)t|i(?:'| a)m (?:unable|not able)|as an ai\b)", re.IGNORECASE
)


def _willing(text: str) -> float:
    return 0.0 if _REFUSAL.match(text.replace("\u2019", "'")) else 1.0
