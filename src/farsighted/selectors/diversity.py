"""Selection by coverage of a frozen embedding space."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import NO_DEMANDS, Demands, clusters_of
from farsighted.selectors.table import register
from farsighted.sets.geometry import appended
from farsighted.sets.greedy import farthest_first


@register("diversity")
@dataclass(frozen=True)
class Diversity:
    """Prefer examples unlike everything selected so far, in this ranking and in all earlier ones.

    farthest_first: the candidate farthest from all that is selected, again and again; with nothing selected yet, the
    start is the candidate farthest from the candidates' mean. s(x) = that distance when x is picked.
    clusters: the cluster that was served least so far, again and again, ties to the smaller number; inside it the
    candidates nearest to the mean of the cluster's candidates first. s(x) = -(times x's cluster is served before x).
    Ties go to the smaller row.
    *Reference:* definitions.md#diversity; Sener & Savarese 2018 (k-center greedy).
    """

    name: ClassVar[str]
    family: ClassVar[str] = "diversity"
    version: ClassVar[int] = 1
    demands: ClassVar[Demands] = NO_DEMANDS

    method: Literal["farthest_first", "clusters"] = "farthest_first"
    """How coverage is spread: by distance between examples, or evenly over clusters."""

    @property
    def needs(self) -> frozenset[str]:
        """`embedding`, and `cluster` for `clusters`."""
        return frozenset({"embedding"} if self.method == "farthest_first" else {"embedding", "cluster"})

    def init(self) -> State:
        """Return no embeddings (H = 0, D unknown), or no counts (C = 0)."""
        if self.method == "farthest_first":
            return {"embedding": np.empty((0, 0), dtype=np.float32)}
        return {"served": np.empty(0, dtype=np.int64)}

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the greedy order."""
        if self.method == "farthest_first":
            return Ranking(*farthest_first(signals["embedding"], state["embedding"]))
        return _round_robin(signals, state["served"])

    def observe(self, state: State, picked: Signals) -> State:
        """Return the embeddings (H, D) of all that was selected so far, or how often each cluster was served (C,)."""
        if self.method == "farthest_first":
            return {"embedding": appended(state["embedding"], picked["embedding"])}
        return {"served": _served(state["served"], picked)}


def _served(served_C: np.ndarray, picked: Signals) -> np.ndarray:
    number_M, count = clusters_of(picked)
    total_C = np.bincount(number_M, minlength=max(count, len(served_C)))
    total_C[: len(served_C)] += served_C
    return total_C


def _round_robin(signals: Signals, served_C: np.ndarray) -> Ranking:
    number_N, count = clusters_of(signals)
    points_ND = np.asarray(signals["embedding"], dtype=np.float64)
    turn_N = np.empty(len(signals), dtype=np.int64)
    for number in range(count):
        rows = np.flatnonzero(number_N == number)
        if rows.size:
            away = np.linalg.norm(points_ND[rows] - points_ND[rows].mean(axis=0), axis=1)
            before = served_C[number] if number < len(served_C) else 0
            turn_N[rows[np.argsort(away, kind="stable")]] = before + np.arange(rows.size)
    # The least-served cluster first is a merge of the clusters' own queues, so a sort by turn and cluster.
    return Ranking(np.lexsort((number_N, turn_N)), -turn_N.astype(np.float64))
