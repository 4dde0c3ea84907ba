"""Evaluation sets, and what a model achieves on them (spec §2).

For a unique gold string greedy decoding gives it iff every response token, the end token included, is the arg-max given
the gold prefix: exact match needs one forward pass and no generation.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from farsighted.core.errors import DivergedError
from farsighted.core.values import ItemScores, Tokens
from farsighted.evaluation.choices import choice_hits
from farsighted.learners.base import Learner

Measure = Literal["exact_match", "token_accuracy", "choice_accuracy"]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Held-out items of one stage, or one shifted set."""

    name: str
    items: tuple[Tokens, ...]
    options: tuple[tuple[Tokens, ...], ...]
    """For each item the texts to compare by likelihood; empty where it is not multiple choice."""
    measure: Measure
    """The measure that is the set's score."""
    chance: float
    """Score of guessing, in the measure's own unit."""
    ceiling: float

    def thinned(self, count: int) -> "EvaluationSet":
        """Return at most `count` items, evenly spaced (files may be sorted by topic), with the same normalisation."""
        size = len(self.items)
        rows = sorted({round(position) for position in np.linspace(0, size - 1, min(count, size))})
        items, options = tuple(self.items[row] for row in rows), tuple(self.options[row] for row in rows)
        return EvaluationSet(self.name, items, options, self.measure, self.chance, self.ceiling)

    def without_options(self) -> "EvaluationSet":
        """Return the set without its options, so that choice accuracy is not measured."""
        return dataclasses.replace(self, options=((),) * len(self.items))


def evaluate(learner: Learner, evaluation_set: EvaluationSet) -> ItemScores:
    """Score every item of a set under the current model by teacher forcing, one pass over items and options.

    Raises `DivergedError` where a likelihood is not finite: an arg-max over NaN would pass for an answer.
    """
    texts: list[Tokens] = [*evaluation_set.items, *(text for options in evaluation_set.options for text in options)]
    found = learner.likelihoods(texts)
    bad = np.flatnonzero(~np.isfinite(found.nll_sum))
    if bad.size:
        raise DivergedError.naming("The likelihood is not finite", [texts[int(row)].example.id for row in bad])
    count = len(evaluation_set.items)
    nll = found.nll_sum[:count] / found.length[:count]
    hit_share = found.hit_share[:count]
    return ItemScores(
        ids=tuple(item.example.id for item in evaluation_set.items),
        nll=nll,
        token_accuracy=hit_share,
        exact_match=(hit_share == 1).astype(np.float64),
        choice_accuracy=choice_hits(evaluation_set.items, evaluation_set.options, found.nll_sum[count:]),
    )


def normalised(scores: ItemScores, evaluation_set: EvaluationSet) -> np.ndarray:
    """Return (I,) item scores 100 (raw - chance) / (ceiling - chance); their mean is the set's score (spec §2).

    NaN where the measure does not apply to an item.
    """
    raw: np.ndarray = getattr(scores, evaluation_set.measure)
    return 100 * (raw - evaluation_set.chance) / (evaluation_set.ceiling - evaluation_set.chance)


def chance_of(items: Sequence[Tokens], measure: Measure) -> float:
    """Return the score of guessing: the mean of 1 / number of choices for multiple choice, else 0."""
    if measure != "choice_accuracy":
        return 0.0
    return float(np.mean([1 / len(item.example.choices) for item in items]))
