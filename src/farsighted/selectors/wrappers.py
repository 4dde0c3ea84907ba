"""Remedies for any selector: a share of the budget goes to what it neglects (definitions.md#remedies).

Shape letters: N candidates, M picked, C clusters.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import NO_DEMANDS, Demands, Selector, clusters_of, rank_checked, with_picks
from farsighted.selectors.floors import Floor, Largest, LeastServed, Marked, floored
from farsighted.selectors.loss import Loss
from farsighted.selectors.nested import as_inner, inner_of
from farsighted.selectors.table import SelectorSpec, build_selector, register
from farsighted.sets.geometry import cosines
from farsighted.sets.history import widened


class Wrapper(ABC):
    """A selector around another one: the other's order, with a floor under every prefix (`floors.floored`).

    The score is minus the place in the ranking. The components are the inner selector's score and components and, under
    the wrapper's own name, 1 where the floor asked for the candidate and 0 where the inner order came to it. The inner
    selector's importance weights are passed on.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "own"
    version: ClassVar[int] = 1
    reads: ClassVar[frozenset[str]]
    """Signals that the floor reads, beside `size`."""

    selector: SelectorSpec
    share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "selector", build_selector(self.selector))
        if not 0 <= self.share <= 1:
            raise SelectorError(
                f"`share` of '{self.name}' must be in [0, 1], but is {self.share}. Write 0.25 for a quarter."
            )

    @property
    @abstractmethod
    def demands(self) -> Demands:
        """What the wrapper asks for itself."""

    @abstractmethod
    def init(self) -> State:
        """Return what is remembered before anything was selected, the inner selector's state under `inner.`."""

    @abstractmethod
    def floor(self, signals: Signals, state: State, order_N: np.ndarray) -> Floor:
        """Return the floor under the inner selector's order."""

    @abstractmethod
    def observe(self, state: State, picked: Signals) -> State:
        """Return what is remembered after the picks, the inner order's and the floor's alike."""

    @property
    def inner(self) -> Selector:
        """The selector that is wrapped."""
        return build_selector(self.selector)

    @property
    def needs(self) -> frozenset[str]:
        """What the inner selector reads, what the floor reads, and what each candidate takes of the budget."""
        return frozenset(self.inner.needs) | self.reads | {"size"}

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the inner order with the floor under it."""
        inner = rank_checked(self.inner, with_picks(signals, None), inner_of(state), rng)
        order, asked_N = floored(inner.order, signals["size"], self.share, self.floor(signals, state, inner.order))
        score_N = np.empty(len(order))
        score_N[order] = -np.arange(len(order))
        parts = {self.inner.name: inner.score, **inner.components, self.name: asked_N.astype(np.float64)}
        return Ranking(order, score_N, parts, inner.weight)


@register("coverage_floor")
@dataclass(frozen=True)
class CoverageFloor(Wrapper):
    """Keep a share of the budget for the clusters that were selected least so far, whatever another selector prefers.

    Pick again and again the first candidate left in the inner selector's order. A pick counts for the floor if no
    cluster with candidates left has fewer examples in the history, the picks before it included. Where the next of the
    order does not count, and the picks with it would hold less than `share` of their size (response tokens, or examples
    where the budget counts those) in picks that do, the first in the order of all candidates of the least-selected
    clusters is picked in its place. So every prefix keeps the floor: one ranking serves every budget. s(x) = -(picks
    before x). Candidates of one cluster all count: there the inner order is kept.
    *Reference:* definitions.md#coverage_floor; paper, section 6 (coverage constraints).
    """

    demands: ClassVar[Demands] = NO_DEMANDS
    reads: ClassVar[frozenset[str]] = frozenset({"cluster"})

    selector: SelectorSpec = field(default_factory=Loss)
    """The selector that ranks: a name, or a mapping with `name` and parameters."""
    share: float = 0.25
    """Least share of every prefix for the least-selected clusters, in [0, 1]."""

    def init(self) -> State:
        """Return no counts (C = 0), beside the inner selector's own state under `inner.`."""
        return {"cluster_count": np.empty(0, dtype=np.int64), **as_inner(self.inner.init())}

    def floor(self, signals: Signals, state: State, order_N: np.ndarray) -> Floor:
        """Return the floor for the least-selected clusters."""
        return LeastServed(clusters_of(signals), state["cluster_count"], order_N)

    def observe(self, state: State, picked: Signals) -> State:
        """Return how many examples of each cluster were selected so far (C,), and the inner selector's state."""
        cluster_M, clusters = clusters_of(picked)
        count_C = widened(state["cluster_count"], clusters)
        np.add.at(count_C, cluster_M, 1)
        return {"cluster_count": count_C, **_observed(self.inner, state, picked)}


@register("proxy_floor")
@dataclass(frozen=True)
class ProxyFloor(Wrapper):
    """Keep a share of the budget for what the future proxy asks for, whatever another selector prefers.

    p(x) = cosine of the head-gradient sketch of x with the proxy's mean sketch, as in LHAS. Pick again and again the
    first candidate left in the inner selector's order. A pick counts for the floor if no candidate left has a larger p.
    Where the next of the order does not count, and the picks with it would hold less than `share` of their size
    (response tokens, or examples where the budget counts those) in picks that do, the candidate of the largest p is
    picked in its place, of equal ones the first in the order. So every prefix keeps the floor: one ranking serves every
    budget. s(x) = -(picks before x).
    *Reference:* definitions.md#proxy_floor; paper, section 6 (future-proxy penalties).
    """

    demands: ClassVar[Demands] = NO_DEMANDS
    reads: ClassVar[frozenset[str]] = frozenset({"head_sketch", "proxy_sketch"})

    selector: SelectorSpec = field(default_factory=Loss)
    """The selector that ranks: a name, or a mapping with `name` and parameters."""
    share: float = 0.25
    """Least share of every prefix in the order of p, in [0, 1]."""

    def init(self) -> State:
        """Return the inner selector's state under `inner.`."""
        return as_inner(self.inner.init())

    def floor(self, signals: Signals, state: State, order_N: np.ndarray) -> Floor:
        """Return the floor in the order of p."""
        return Largest(cosines(signals["head_sketch"], signals["proxy_sketch"]), order_N)

    def observe(self, state: State, picked: Signals) -> State:
        """Return the inner selector's state after the picks."""
        return _observed(self.inner, state, picked)


@register("replay")
@dataclass(frozen=True)
class Replay(Wrapper):
    """Spend a share of the budget on examples that were selected in earlier stages, whatever another selector prefers.

    Beside the candidates of its pool, each round of a stage offers examples that this cell selected from the pools of
    earlier stages, drawn uniformly and without replacement: as few as bring what the stage has replayed to `share` of
    the round's target. Pick again and again the first candidate left in the inner selector's order, which ranks the
    replayed ones like any other. Where it is not replayed, and the picks with it would hold less than `share` of their
    size (response tokens, or examples where the budget counts those) in replayed ones, the first replayed one in the
    order is picked in its place, while there is one. s(x) = -(picks before x). The budget is that of all selectors:
    what is replayed counts against it. The first stage has nothing to replay, and the inner order is kept.
    *Reference:* definitions.md#replay; paper, section 6 (replay mixtures).
    """

    reads: ClassVar[frozenset[str]] = frozenset({"origin"})

    selector: SelectorSpec = field(default_factory=Loss)
    """The selector that ranks: a name, or a mapping with `name` and parameters."""
    share: float = 0.1
    """Share of the budget for examples of earlier stages, in [0, 1]."""

    @property
    def demands(self) -> Demands:
        """What is replayed of every target."""
        return Demands(replay_share=self.share)

    def init(self) -> State:
        """Return the inner selector's state under `inner.`."""
        return as_inner(self.inner.init())

    def floor(self, signals: Signals, state: State, order_N: np.ndarray) -> Floor:
        """Return the floor for what comes from earlier stages."""
        return Marked(signals["origin"], order_N)

    def observe(self, state: State, picked: Signals) -> State:
        """Return the inner selector's state after the picks."""
        return _observed(self.inner, state, picked)


def _observed(inner: Selector, state: State, picked: Signals) -> State:
    return as_inner(inner.observe(inner_of(state), picked))
