"""Evaluation sets, and what a model achieves on them (definitions.md#normalised-score).

For a unique gold string greedy decoding gives it iff every response token is the arg-max given the gold prefix, and the
one after it ends an answer: exact match needs forward passes and no generation.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from farsighted.core.errors import DivergedError
from farsighted.core.measures import GENERATED, MEASURES, Measure, Reads
from farsighted.core.values import ItemScores, Tokens
from farsighted.evaluation.choices import option_measures
from farsighted.evaluation.generation import Generation, generate, graded
from farsighted.evaluation.harness import HarnessTask
from farsighted.learners.base import Learner


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Held-out items of one stage, or one shifted set."""

    name: str
    items: Sequence[Tokens]
    options: Sequence[tuple[Tokens, ...]]
    """For each item the texts to compare by likelihood; empty where there are none."""
    measure: Measure | Literal["harness"]
    """The measure that is the set's score."""
    chance: float
    """Score of guessing, in the measure's own unit."""
    ceiling: float
    generation: Generation | None = None
    """How the model is made to write; None where no measure reads what it writes."""
    task: HarnessTask | None = None
    """A task of lm-evaluation-harness; it has items of its own."""

    @property
    def reads(self) -> Reads:
        """What of an item the score is taken on."""
        return MEASURES[self.measure].reads

    @property
    def score_reads_options(self) -> bool:
        """Whether the score compares options."""
        return self.reads not in GENERATED | {"response"}

    def thinned(self, count: int) -> "EvaluationSet":
        """Return at most `count` items, evenly spaced (files may be sorted by topic), with the same normalisation."""
        size = len(self.items)
        rows = sorted({round(position) for position in np.linspace(0, size - 1, min(count, size))})
        generation = self.generation
        if generation is not None:
            generation = dataclasses.replace(generation, prompts=tuple(generation.prompts[row] for row in rows))
        return dataclasses.replace(
            self,
            items=tuple(self.items[row] for row in rows),
            options=tuple(self.options[row] for row in rows),
            generation=generation,
        )

    def without_options(self) -> "EvaluationSet":
        """Return the set without its options, so that they are not compared."""
        return dataclasses.replace(self, options=((),) * len(self.items))


def evaluate(learner: Learner, evaluation_set: EvaluationSet) -> ItemScores:
    """Score every item of a set under the current model: one teacher-forced pass over items and options.

    Where the score reads what the model writes, generation follows. Raises `DivergedError` where a likelihood is not
    finite: an arg-max over NaN would pass for an answer.
    """
    if evaluation_set.task is not None:
        # It needs torch, which what only plans and reports starts without.
        from farsighted.evaluation.harness_run import run_task

        return run_task(learner, evaluation_set.task)
    # Rows may be built as they are asked for: ask once.
    items, options = list(evaluation_set.items), list(evaluation_set.options)
    texts = [*items, *(text for found in options for text in found)]
    found = learner.likelihoods(texts)
    bad = np.flatnonzero(~np.isfinite(found.nll_sum))
    if bad.size:
        raise DivergedError.naming("The likelihood is not finite", [texts[int(row)].example.id for row in bad])
    count = len(items)
    nll = found.nll_sum[:count] / found.length[:count]
    read = _Read(nll, found.hit_share[:count], found.is_greedy[:count])
    taken = ALWAYS | {evaluation_set.measure}
    raw = {name: function(read) for name, function in OF_RESPONSE.items() if name in taken}
    reads = evaluation_set.reads if evaluation_set.score_reads_options else "choices"
    raw |= option_measures(reads, items, options, found.nll_sum[count:])
    generated: tuple[str, ...] = ()
    if evaluation_set.generation is not None:
        generated = generate(learner, evaluation_set.generation)
        raw |= graded(evaluation_set.reads, [item.example for item in items], generated)
    return ItemScores(tuple(item.example.id for item in items), nll, raw, generated)


class _Read(NamedTuple):
    """What a teacher-forced pass says of the items' responses."""

    nll_I: np.ndarray
    """Mean over tokens, nats."""
    hit_share_I: np.ndarray
    is_greedy_I: np.ndarray


def _perplexity(read: _Read) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(read.nll_I))


OF_RESPONSE: Final[Mapping[str, Callable[[_Read], np.ndarray]]] = {
    "token_accuracy": lambda read: read.hit_share_I,
    "exact_match": lambda read: read.is_greedy_I.astype(np.float64),
    "perplexity": _perplexity,
    "likelihood": lambda read: np.exp(-read.nll_I),
}
"""The functions of measures of the response's likelihood; each gives (I,)."""

ALWAYS: Final = frozenset({"token_accuracy", "exact_match"})
"""Those that are taken whatever the score is; the others where they are the score."""


def normalised(scores: ItemScores, evaluation_set: EvaluationSet) -> np.ndarray:
    """Return (I,) item scores 100 (raw - chance) / (ceiling - chance); their mean is the set's score.

    NaN where the measure does not apply to an item.

    *Reference:* definitions.md#normalised-score.
    """
    raw: np.ndarray = scores.raw[evaluation_set.measure]
    return 100 * (raw - evaluation_set.chance) / (evaluation_set.ceiling - evaluation_set.chance)


def chance_of(items: Sequence[Tokens], options: Sequence[Sequence[Tokens]], measure: Measure, vocabulary: int) -> float:
    """Return the raw score of guessing, as a mean over items.

    One over the number of options where one is picked (MC1: among the best true and the false ones), the share of true
    options for MC2, one half for a pair, the size of the vocabulary for perplexity, else 0.
    """
    if measure == "perplexity":
        return float(vocabulary)
    if measure == "preference":
        return 0.5
    if MEASURES[measure].reads in GENERATED | {"response"}:
        return 0.0
    counts = [len(texts) for texts in options]
    if measure == "mc2":
        return float(np.mean([len(i.example.gold.true_answers) / n for i, n in zip(items, counts, strict=True)]))
    if measure == "mc1":
        return float(np.mean([1 / (1 + len(item.example.gold.false_answers)) for item in items]))
    return float(np.mean([1 / count for count in counts]))
