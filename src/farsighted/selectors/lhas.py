"""Long-Horizon Aware Selection: any utility, corrected by what the run has selected so far (Eq. 5).

Shape letters: N candidates, M picked, D hidden, K sketch, C clusters, H centroids, R directions kept.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import NO_DEMANDS, Demands, Selector, clusters_of, picks_of, with_picks
from farsighted.selectors.lhas_terms import Concentration, Coverage, NoTerm, Term
from farsighted.selectors.nested import as_inner, inner_of, own_of
from farsighted.selectors.table import SelectorSpec, build_selector, register
from farsighted.selectors.utility_diversity import UtilityDiversity
from farsighted.sets.geometry import cosines
from farsighted.sets.greedy import rank01
from farsighted.sets.history import KEPT_PER_READ, Centroids, Directions, widened, with_gradients, with_points


@register("lhas")
@dataclass(frozen=True)
class LHAS:
    """Prefer useful examples that widen what was selected so far, help the future proxy, and repeat nothing.

    s(x) = u(x) + lambda c(x, H) + eta p(x, P) - rho a(x, S).
    u: the score of any selector, as ranks in [0, 1] within the candidates.
    c, coverage: distance of the embedding to the nearest history centroid, as ranks in [0, 1] within the candidates;
    0 while the history is empty.
    p, future proxy: cosine of the head-gradient sketch with the proxy's mean sketch.
    a, anti-concentration: half how far the share of x's cluster in the history exceeds the uniform one, (share - 1/C)
    / (1 - 1/C) clipped to [0, 1]; half the squared projection of the unit head-gradient sketch on the strongest
    directions of the history's gradient second moment.
    Greedy: a pick enters the history before the next one (as a centroid, a count and a gradient), and c and a are
    taken anew over all N candidates, those already picked lying at distance 0: so a rank of coverage weighs as much
    late in the ranking as early. The components hold each term when the candidate was picked. A term of weight 0 is
    not computed, and its signals are not needed. Where the budget can take `picks` candidates at most, what is behind
    them is ordered by its score after the last of them.
    The paper names the terms and leaves them open: these are ours. *Reference:* definitions.md#lhas; paper, Eq. 5.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "lhas"
    version: ClassVar[int] = 1
    demands: ClassVar[Demands] = NO_DEMANDS

    utility: SelectorSpec = field(default_factory=UtilityDiversity)
    """The selector whose score is u: a name, or a mapping with `name` and parameters."""
    lambda_: float = 0.5
    """Weight of coverage."""
    eta: float = 0.5
    """Weight of the future proxy."""
    rho: float = 0.5
    """Weight of anti-concentration."""
    centroids: int = 512
    """Centroids at most that stand for the history's embeddings."""
    directions: int = 8
    """Gradient directions that the concentration is measured on; twice as many are tracked."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "utility", build_selector(self.utility))
        for name in ("lambda_", "eta", "rho"):
            if getattr(self, name) < 0:
                raise SelectorError(f"`{name}` of 'lhas' must be at least 0, but is {getattr(self, name)}. Use 0.5.")
        for name in ("centroids", "directions"):
            if getattr(self, name) < 1:
                raise SelectorError(f"`{name}` of 'lhas' must be at least 1, but is {getattr(self, name)}.")

    @cached_property
    def inner(self) -> Selector:
        """The selector behind u."""
        return build_selector(self.utility)

    @property
    def needs(self) -> frozenset[str]:
        """What the utility reads, and what the terms of non-zero weight read."""
        needs = set(self.inner.needs)
        needs |= {"embedding"} if self.lambda_ else set()
        needs |= {"head_sketch", "proxy_sketch"} if self.eta else set()
        needs |= {"head_sketch", "cluster"} if self.rho else set()
        return frozenset(needs)

    def init(self) -> State:
        """Return an empty history, beside the utility's own state under `inner.`."""
        empty = np.empty((0, 0))
        return {
            "centroid_mean": empty,
            "centroid_count": np.empty(0, dtype=np.int64),
            "cluster_count": np.empty(0, dtype=np.int64),
            "direction_value": np.empty(0),
            "direction_basis": empty,
            **as_inner(self.inner.init()),
        }

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the greedy order; components `utility`, `coverage`, `proxy`, `concentration`, before weighting."""
        count, picks = len(signals), picks_of(signals)
        inner = self.inner.rank(with_picks(signals, None), inner_of(state), rng)
        utility_N = rank01(inner.score)
        proxy_N = cosines(signals["head_sketch"], signals["proxy_sketch"]) if self.eta else np.zeros(count)
        coverage, concentration = self._coverage(signals, state), self._concentration(signals, state)
        lasting_N = utility_N + self.eta * proxy_N
        order = np.empty(count, dtype=np.intp)
        score_N, coverage_N, concentration_N = np.empty(count), np.zeros(count), np.zeros(count)
        for place in range(picks):
            now_c, now_a = coverage.now(), concentration.now()
            now_N = lasting_N + self.lambda_ * now_c - self.rho * now_a
            pick = int(np.argmax(now_N))
            order[place] = pick
            score_N[pick], coverage_N[pick], concentration_N[pick] = now_N[pick], now_c[pick], now_a[pick]
            lasting_N[pick] = now_N[pick] = -np.inf
            coverage.add(pick, now_N)
            concentration.add(pick, now_N)
        if picks < count:
            now_c, now_a = coverage.now(), concentration.now()
            now_N = lasting_N + self.lambda_ * now_c - self.rho * now_a
            left = np.argsort(-now_N, kind="stable")[: count - picks]
            order[picks:] = left
            score_N[left], coverage_N[left], concentration_N[left] = now_N[left], now_c[left], now_a[left]
        parts = {"utility": utility_N, "coverage": coverage_N, "proxy": proxy_N, "concentration": concentration_N}
        return Ranking(order, score_N, parts, inner.weight)

    def observe(self, state: State, picked: Signals) -> State:
        """Return the history with the picks in it, one by one, in the order they were selected."""
        history = dict(own_of(state))
        if self.lambda_:
            known = Centroids(state["centroid_mean"], state["centroid_count"])
            mean, number = with_points(known, picked["embedding"], self.centroids)
            history |= {"centroid_mean": mean, "centroid_count": number}
        if self.rho:
            cluster_M, clusters = clusters_of(picked)
            count_C = widened(state["cluster_count"], clusters)
            np.add.at(count_C, cluster_M, 1)
            strongest = Directions(state["direction_value"], state["direction_basis"])
            value, basis = with_gradients(strongest, picked["head_sketch"], KEPT_PER_READ * self.directions)
            history |= {"cluster_count": count_C, "direction_value": value, "direction_basis": basis}
        return {**history, **as_inner(self.inner.observe(inner_of(state), picked))}

    def _coverage(self, signals: Signals, state: State) -> Term:
        if not self.lambda_:
            return NoTerm(len(signals))
        return Coverage(signals["embedding"], state["centroid_mean"])

    def _concentration(self, signals: Signals, state: State) -> Term:
        if not self.rho:
            return NoTerm(len(signals))
        strongest = Directions(state["direction_value"], state["direction_basis"])
        clusters, counts = clusters_of(signals), state["cluster_count"]
        return Concentration(clusters, counts, signals["head_sketch"], strongest, self.directions)
