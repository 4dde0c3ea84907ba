"""A selector with importance weights, as somebody would write it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from farsighted.core.values import Ranking
from farsighted.selectors import Stateless, by_score


@dataclass(frozen=True)
class Weighing(Stateless):
    """Rank by a signal, and weigh what is easy more."""

    name = "weighing"
    signal: Literal["nll", "grad_norm"] = "nll"

    @property
    def needs(self):
        return frozenset({self.signal})

    def rank(self, signals, state, rng):
        ranking = by_score(signals[self.signal])
        return Ranking(ranking.order, ranking.score, weight=1 / (0.25 + np.abs(signals[self.signal])))
