"""Utility and diversity in one score, with a memory of what was selected (UDS).

Shape letters: N candidates, H memory entries, K sketch (8 x 128), V vocabulary, T time steps of a sketch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import NO_DEMANDS, Demands, by_score, context_number
from farsighted.selectors.table import register
from farsighted.sets.geometry import appended, mean_distance

SKETCH_TOKENS: Final = 512
"""T: rows that the reference implementation pads each example's logits to before it sketches them."""


@register("utility_diversity")
@dataclass(frozen=True)
class UtilityDiversity:
    """Prefer examples with rich logits that differ from what was selected lately.

    s(x) = u(x) + alpha d(x). u = nuclear norm of the logits; d = mean Euclidean distance of the logit sketch to a
    first-in-first-out memory of selected examples, 0 while it is empty.
    standardized: u and d are z-scored over the candidates (a term without spread is 0).
    compat: u as it is; d times sqrt(V T)/2, T = 512, the factor by which the reference implementation's sketch
    distances are inflated, so that its alpha keeps its meaning.
    Differs from the paper: by default terms are z-scored and only response positions count, so that a long prompt does
    not decide. The preset `near_published` is compat over all tokens; pads, which the reference counts too, never do:
    their number depends on the neighbours in a batch.
    *Reference:* definitions.md#utility_diversity; Zou et al. 2025, arXiv 2510.16882.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "utility_diversity"
    version: ClassVar[int] = 1
    demands: ClassVar[Demands] = NO_DEMANDS
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "near_published": {"scale": "compat", "positions": "non_pad"}
    }

    scale: Literal["standardized", "compat"] = "standardized"
    """How the two terms are made comparable."""
    alpha: float | None = None
    """Weight of diversity; null stands for 1 when standardized and 0.0015 in the reference scale."""
    memory: int = 1024
    """Selected examples that are remembered."""
    positions: Literal["response", "non_pad"] = "response"
    """Whose logits enter: those that predict the response, or those of every token of prompt and response."""

    @property
    def needs(self) -> frozenset[str]:
        """Nuclear norm and logit sketch of the positions asked for."""
        return frozenset({self._at("nuclear_norm"), self._at("logit_sketch")})

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise SelectorError(f"`memory` of 'utility_diversity' must be at least 1, but is {self.memory}. Use 1024.")

    @property
    def weight(self) -> float:
        """Alpha, with the default of the scale filled in."""
        if self.alpha is not None:
            return self.alpha
        return 1.0 if self.scale == "standardized" else 1.5e-3

    def init(self) -> State:
        """Return an empty memory (H = 0, K unknown)."""
        return {"memory": np.empty((0, 0), dtype=np.float32)}

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the candidates by descending score; components `utility` and `diversity` are the scaled terms."""
        utility_N = np.asarray(signals[self._at("nuclear_norm")], dtype=np.float64)
        diversity_N = mean_distance(signals[self._at("logit_sketch")], state["memory"])
        if self.scale == "standardized":
            utility_N, diversity_N = _standardized(utility_N), _standardized(diversity_N)
        else:
            diversity_N = diversity_N * np.sqrt(context_number(signals, "vocabulary_size") * SKETCH_TOKENS) / 2
        score_N = utility_N + self.weight * diversity_N
        return by_score(score_N, {"utility": utility_N, "diversity": diversity_N})

    def observe(self, state: State, picked: Signals) -> State:
        """Return the memory (H, K) with the picked sketches behind it, the oldest first and dropped first."""
        return {"memory": appended(state["memory"], picked[self._at("logit_sketch")])[-self.memory :]}

    def _at(self, name: str) -> str:
        return name if self.positions == "response" else f"{name}:{self.positions}"


def _standardized(values_N: np.ndarray) -> np.ndarray:
    """Return z-scores with the population's standard deviation; zeros where the spread is rounding only."""
    spread = values_N.std()
    if spread <= 1e-12 * np.abs(values_N).max():
        return np.zeros(len(values_N))
    standardized_N: np.ndarray = (values_N - values_N.mean()) / spread
    return standardized_N
