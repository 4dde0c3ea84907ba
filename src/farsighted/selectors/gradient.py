"""Selection by the gradient of each example."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import Stateless, by_score
from farsighted.selectors.table import register
from farsighted.sets.geometry import cosines

_SIGNALS: Final = {
    ("norm", "full"): "grad_norm",
    ("norm", "head"): "head_grad_norm",
    ("similarity", "full"): "grad_sketch",
    ("similarity", "head"): "head_sketch",
}


@register("gradient")
@dataclass(frozen=True)
class Gradient(Stateless):
    """Prefer examples with a large gradient, or with a gradient near the mean gradient of the candidates.

    norm: s(x) = ||g(x)||. similarity: s(x) = cos(z(x), mean of z over all N candidates), z a sketch of g that keeps
    inner products; 0 where a gradient vanishes.
    *Reference:* definitions.md#gradient; paper, section 4.
    """

    family: ClassVar[str] = "gradient"

    score: Literal["norm", "similarity"] = "norm"
    """What is compared: the length of the gradient, or its direction with the candidates' mean."""
    signal: Literal["full", "head"] = "full"
    """`full`: all trainable parameters, which takes a backward pass. `head`: the language-model head alone, from the
    forward pass (the first-order approximation)."""

    @property
    def needs(self) -> frozenset[str]:
        """One of `grad_norm`, `head_grad_norm`, `grad_sketch`, `head_sketch`."""
        return frozenset({_SIGNALS[self.score, self.signal]})

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the candidates by descending norm, or by descending cosine in [-1, 1]."""
        rows = signals[_SIGNALS[self.score, self.signal]]
        return by_score(rows if self.score == "norm" else cosines(rows, rows.mean(axis=0, dtype=np.float64)))
