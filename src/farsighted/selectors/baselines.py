"""Uniform selection: the baseline, and the baseline that spends what scoring costs on more data."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import Demands, Stateless, by_score
from farsighted.selectors.table import register


@register("random")
@dataclass(frozen=True)
class Random(Stateless):
    """Rank uniformly at random, without replacement.

    The score is a uniform draw in [0, 1) for each candidate; the ranking sorts it.
    *Reference:* definitions.md#random; paper, appendix A.
    """

    family: ClassVar[str] = "random"
    needs = frozenset[str]()

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return a uniformly random order."""
        return by_score(rng.random(len(signals)))


@register("random_matched")
@dataclass(frozen=True)
class ComputeMatchedRandom(Stateless):
    """Rank uniformly at random, and be given extra tokens worth the scoring pass that random does without.

    It demands `matched_compute`, for which the budget is enlarged; the ranking is that of `random`.
    *Reference:* definitions.md#random.
    """

    family: ClassVar[str] = "random"
    demands: ClassVar[Demands] = Demands(matched_compute=True)
    needs = frozenset[str]()

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return a uniformly random order."""
        return Random().rank(signals, state, rng)
