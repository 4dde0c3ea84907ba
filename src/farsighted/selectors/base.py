"""What a selector is, and the check that every caller of one goes through (definitions.md#selectors).

Shape letters: N candidates, M picked, D hidden, K sketch, C clusters, H history.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np

from farsighted.core.errors import DivergedError, SelectorError
from farsighted.core.values import Ranking, Signals, State

METADATA: Final = frozenset({"quality", "difficulty"})
"""Signals that come with the data: NaN there means that an example has none, not that a model diverged."""

_NO_PARTS: Final[Mapping[str, np.ndarray]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Demands:
    """What a selector asks of whoever runs it, beside signals; the protocol knows selectors by these alone.

    >>> Demands(replay_share=0.1).joined(Demands(replay_share=0.3))
    Demands(matched_compute=False, replay_share=0.3)

    *Reference:* definitions.md#demands.
    """

    matched_compute: bool = False
    """To train on extra tokens worth the scoring pass that it does without; such a selector can only be a reference."""
    replay_share: float = 0.0
    """Share of every target, in [0, 1], in examples that the cell selected in earlier stages, offered again."""

    def joined(self, other: "Demands") -> "Demands":
        """Return what both ask for: the larger share of the two."""
        share = max(self.replay_share, other.replay_share)
        return Demands(self.matched_compute or other.matched_compute, share)


NO_DEMANDS: Final = Demands()


@runtime_checkable
class Selector(Protocol):
    """Ranks candidates, best first; a frozen dataclass whose fields are its parameters.

    A selector is pure: what it remembers is a value that comes in and goes out, and chance is an argument.
    """

    @property
    def name(self) -> str:
        """Name in the registry, set by `register`."""

    @property
    def family(self) -> str:
        """One of the paper's seven families, or "own"."""

    @property
    def version(self) -> int:
        """Raised when what is selected changes, so that results of the old version are not taken for the new one's."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of the signals that it reads (definitions.md#signals)."""

    @property
    def demands(self) -> Demands:
        """What it asks for itself; `demands_of` adds what the selectors inside it ask for."""

    def init(self) -> State:
        """Return what is remembered before anything was selected."""

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return all N candidates, best first; every budget cuts the same ranking.

        Where `signals.context` has `picks`, at most that many can be selected. Their order must be that of the whole
        ranking, and what lies behind them may stand in any order. Whoever reads another selector's ranking to its end
        takes `picks` out first (`with_picks(signals, None)`). A method with importance weights returns them in
        `Ranking.weight`; they too must not depend on `picks`.
        """

    def observe(self, state: State, picked: Signals) -> State:
        """Return what is remembered after `picked` (M,) was selected, in that order; `state` itself is unchanged."""


class Stateless(ABC):
    """A selector that remembers nothing."""

    name: ClassVar[str] = ""
    family: ClassVar[str] = "own"
    version: ClassVar[int] = 1
    demands: ClassVar[Demands] = NO_DEMANDS

    @property
    @abstractmethod
    def needs(self) -> frozenset[str]:
        """Names of the signals that it reads."""

    @abstractmethod
    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return all N candidates, best first."""

    def init(self) -> State:
        """Return an empty state."""
        return {}

    def observe(self, state: State, picked: Signals) -> State:
        """Return the state as it is."""
        return state


class Scored(Stateless):
    """A selector that gives every candidate a score of its own; only `needs` and `score` are to be written."""

    @abstractmethod
    def score(self, signals: Signals, state: State) -> np.ndarray:
        """Return the score of every candidate, (N,), finite, larger is better."""

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the candidates by descending score, ties by row."""
        return by_score(self.score(signals, state))


class Clusters(NamedTuple):
    """Capability clusters of the candidates."""

    number: np.ndarray
    """(N,) cluster of each candidate, 0..total-1."""
    total: int
    """C, clusters in the whole run, whether or not a candidate belongs to them."""


def by_score(score_N: np.ndarray, components: Mapping[str, np.ndarray] = _NO_PARTS) -> Ranking:
    """Return the ranking by descending score; equal scores keep the order of rows.

    >>> by_score(np.array([1.0, 3.0, 3.0])).order.tolist()
    [1, 2, 0]
    """
    score_N = np.asarray(score_N, dtype=np.float64)
    return Ranking(np.argsort(-score_N, kind="stable"), score_N, components)


def rank_checked(selector: Selector, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
    """Return `selector.rank(...)` after checking what goes in and what comes out; callers use this, never `rank`.

    Args:
        selector: The selector.
        signals: At least one candidate, with every signal that the selector needs.
        state: What `init` or `observe` returned.
        rng: The generator of this selection round.

    Returns:
        The ranking, its order as `np.intp`, its score, components and weights as float64.

    Raises:
        SelectorError: A signal is missing or has the wrong length, metadata is absent, or the answer is no ranking.
        DivergedError: A signal of the model, or the score, is not finite; the error names the examples.
    """
    if not len(signals):
        raise SelectorError(f"Selector '{selector.name}' must be given at least one candidate, but there is none.")
    for name in sorted(selector.needs):
        _check_signal(selector, signals, name)
    return _checked(selector, signals, selector.rank(signals, state, rng))


def picks_of(signals: Signals) -> int:
    """Return how many of a ranking can be taken at most: `picks` of the context, all N where it says nothing."""
    return min(len(signals), int(signals.context.get("picks", len(signals))))


def with_picks(signals: Signals, picks: int | None) -> Signals:
    """Return the signals with `picks` in the context.

    None takes it out: for a selector inside another one, which reads its ranking to the end.
    """
    context = {name: array for name, array in signals.context.items() if name != "picks"}
    if picks is not None:
        context["picks"] = np.array(picks)
    return Signals(signals.ids, signals.rows, context)


def supplied(signals: Signals, name: str) -> np.ndarray:
    """Return a metadata signal (N,), or raise `SelectorError` that says how to supply what is missing."""
    values_N = signals[name]
    missing = np.flatnonzero(~np.isfinite(values_N))
    if missing.size:
        raise SelectorError(
            f"Every candidate must have a `{name}`, but {missing.size} of {len(signals)} have none (the first is "
            f"'{signals.ids[missing[0]]}'). Add the field `{name}` (a number) to every line of the pool's files, or "
            f"choose a selector that does not read it."
        )
    return values_N


def context_number(signals: Signals, name: str) -> int:
    """Return a number that belongs to the run (`cluster_count`, `vocabulary_size`), or raise `SelectorError`."""
    if name not in signals.context:
        raise SelectorError(f"`Signals.context` must hold `{name}`, but holds {sorted(signals.context)}. Put it there.")
    return int(signals.context[name])


def clusters_of(signals: Signals) -> Clusters:
    """Return the clusters of the candidates, checked to lie in 0..C-1; raises `SelectorError`."""
    number_N, count = signals["cluster"], context_number(signals, "cluster_count")
    if number_N.size and not 0 <= int(number_N.min()) <= int(number_N.max()) < count:
        raise SelectorError(
            f"`cluster` must be in 0..{count - 1}, but reaches from {number_N.min()} to {number_N.max()}. "
            f"Number the clusters from 0, or correct `cluster_count`."
        )
    return Clusters(number_N, count)


def _check_signal(selector: Selector, signals: Signals, name: str) -> None:
    if name not in signals:
        have = ", ".join(sorted({*signals.rows, *signals.context}))
        raise SelectorError(
            f"Selector '{selector.name}' needs the signal '{name}', which was not computed (there are: {have}). "
            f"Correct its `needs`, or hand in `{name}`."
        )
    if name in signals.context:
        if not np.all(np.isfinite(signals.context[name])):
            raise DivergedError(f"Signal '{name}' must be finite, but is not: the model has diverged.", ())
        return
    rows = signals.rows[name]
    if rows.shape[:1] != (len(signals),):
        raise SelectorError(
            f"Signal '{name}' must have one row for each of {len(signals)} candidates, but has the shape {rows.shape}."
        )
    if name in METADATA:
        supplied(signals, name)
    else:
        _check_finite(f"Signal '{name}'", rows, signals)


def _checked(selector: Selector, signals: Signals, ranking: Ranking) -> Ranking:
    count, who = len(signals), f"of selector '{selector.name}'"
    order = np.asarray(ranking.order)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order, axis=None), np.arange(count)):
        raise SelectorError(
            f"The order {who} must hold each row number 0..{count - 1} once, but is "
            f"{np.array2string(order, threshold=8)} ({order.dtype}). Return the rows of all candidates, best first."
        )
    parts = {"score": np.asarray(ranking.score)}
    parts |= {f"component '{name}'": np.asarray(values) for name, values in ranking.components.items()}
    parts |= {} if ranking.weight is None else {"weight": np.asarray(ranking.weight)}
    for part, values in parts.items():
        if values.shape != (count,) or values.dtype.kind not in "iuf":
            raise SelectorError(
                f"The {part} {who} must be {count} numbers, one a candidate by row, but has the shape {values.shape} "
                f"and the type {values.dtype}."
            )
        _check_finite(f"The {part} {who}", values, signals)
    components = {name: np.asarray(values, dtype=np.float64) for name, values in ranking.components.items()}
    weight_N = None if ranking.weight is None else parts["weight"].astype(np.float64)
    if weight_N is not None and (weight_N.min() < 0 or not weight_N.any()):
        raise SelectorError(
            f"The weights {who} must be at least 0, and one of them above 0, but reach from {weight_N.min():g} to "
            f"{weight_N.max():g}. Clip or shift them."
        )
    return Ranking(order.astype(np.intp), parts["score"].astype(np.float64), components, weight_N)


def _check_finite(what: str, rows: np.ndarray, signals: Signals) -> None:
    finite_N = np.isfinite(rows).reshape(len(signals), -1).all(axis=1)
    if not finite_N.all():
        ids = [signals.ids[row] for row in np.flatnonzero(~finite_N)]
        raise DivergedError(
            f"{what} must be finite, but is not for {len(ids)} of {len(signals)} candidates (the first is '{ids[0]}'). "
            f"Lower the learning rate if the model has diverged, or look at these examples.",
            ids,
        )
