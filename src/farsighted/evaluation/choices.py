"""Several continuations of one prompt, compared by their likelihoods. Shapes: I items, O options of one item."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from farsighted.core.measures import Reads, measures_of
from farsighted.core.values import Example, Tokens


class Options(NamedTuple):
    """The options of one item and what the model makes of them."""

    example: Example
    characters_O: np.ndarray
    """(O,) length of each option's text."""
    nll_O: np.ndarray
    """(O,) summed negative log-likelihoods, nats."""


def option_measures(
    reads: Reads, items: Sequence[Tokens], options: Sequence[Sequence[Tokens]], option_nll: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each measure that reads such options, (I,); NaN for items without options.

    Args:
        reads: What the options are.
        items: The items.
        options: The options of each item.
        option_nll: Summed negative log-likelihoods of all options, item after item.
    """
    names = measures_of(reads)
    found = {name: np.full(len(items), np.nan) for name in names}
    start = 0
    for row, (item, texts) in enumerate(zip(items, options, strict=True)):
        if texts:
            characters_O = np.array([len(text.example.response) for text in texts], dtype=np.float64)
            one = Options(item.example, characters_O, option_nll[start : start + len(texts)])
            for name in names:
                found[name][row] = RULES[name](one)
            start += len(texts)
    return found


def choice_accuracy(options: Options) -> float:
    """Return 1.0 where the gold option is the likeliest, else 0.0; ties go to the first option."""
    return float(int(np.argmin(options.nll_O)) == options.example.answer_index)


def choice_accuracy_norm(options: Options) -> float:
    """Return 1.0 where the gold option is the likeliest per character, else 0.0; ties go to the first option.

    *Reference:* `acc_norm` of lm-evaluation-harness.
    """
    return float(int(np.argmin(options.nll_O / options.characters_O)) == options.example.answer_index)


def mc1(options: Options) -> float:
    """Return 1.0 where the best true answer is likelier than every false one, else 0.0; ties go to the true one.

    *Reference:* Lin et al. 2022 (TruthfulQA).
    """
    false_O = options.nll_O[len(options.example.gold.true_answers) :]
    return float(options.nll_O[0] <= false_O.min())


def mc2(options: Options) -> float:
    """Return the share of probability on the true answers among all answers.

    *Reference:* Lin et al. 2022 (TruthfulQA).
    """
    # Relative to the likeliest: the probabilities themselves may be too small to write.
    weight_O = np.exp(options.nll_O.min() - options.nll_O)
    return float(weight_O[: len(options.example.gold.true_answers)].sum() / weight_O.sum())


def preference(options: Options) -> float:
    """Return 1.0 where the response is likelier than the rejected one, 0.5 where both are equally likely, else 0.0."""
    gap = float(options.nll_O[1] - options.nll_O[0])
    return float((np.sign(gap) + 1) / 2)


RULES: Final[Mapping[str, Callable[[Options], float]]] = {
    "choice_accuracy": choice_accuracy,
    "choice_accuracy_norm": choice_accuracy_norm,
    "letter_accuracy": choice_accuracy,
    "mc1": mc1,
    "mc2": mc2,
    "preference": preference,
}
"""The functions of measures that compare options."""
