"""Selection by facility location: every candidate should have something similar among what is selected."""

import heapq
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.sparse import coo_array

from farsighted.core.errors import SelectorError
from farsighted.core.values import Ranking, Signals, State
from farsighted.selectors.base import NO_DEMANDS, Demands
from farsighted.selectors.table import register
from farsighted.sets.geometry import appended, at_unit_length, distinct_rows, largest_cosine


@register("facility_location")
@dataclass(frozen=True)
class FacilityLocation:
    """Prefer examples that stand for many others, which nothing selected so far stands for.

    F(S) = sum over candidates i of max_{j in S} s(i, j), S the history and the picks. s(i, j) = max(0, cosine of the
    embeddings) where j is at least as similar to i as the last of i's `neighbours` most similar candidates (itself and
    equal ones among them), else 0: a graph, not an N x N matrix. Greedy: the candidate of the largest gain F(S + j) -
    F(S), again and again, ties to the smaller row; s(x) = that gain when x is picked, which never increases along the
    order. What gains nothing comes last, by row: all its neighbours are as well served by others.
    Gains only fall as S grows, so an old gain is a bound, and only those that lead are computed anew (lazy greedy).
    The greedy set reaches at least 1 - 1/e of the best one's gain.
    *Reference:* definitions.md#facility_location;
    Nemhauser, Wolsey & Fisher 1978; Minoux 1978 (lazy greedy); Mirzasoleiman et al. 2020 (CRAIG), which
    measures similarity between gradients.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "diversity"
    version: ClassVar[int] = 1
    demands: ClassVar[Demands] = NO_DEMANDS

    neighbours: int = 64
    """Candidates, itself included, that can stand for an example. More than there are: all of them."""

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise SelectorError(
                f"`neighbours` of 'facility_location' must be at least 1, but is {self.neighbours}. Use 64."
            )

    @property
    def needs(self) -> frozenset[str]:
        """`embedding`."""
        return frozenset({"embedding"})

    def init(self) -> State:
        """Return no embeddings (H = 0, D unknown)."""
        return {"embedding": np.empty((0, 0), dtype=np.float32)}

    def rank(self, signals: Signals, state: State, rng: np.random.Generator) -> Ranking:
        """Return the greedy order."""
        unit_ND = at_unit_length(signals["embedding"])
        first_U, place_N = distinct_rows(unit_ND)
        graph = neighbour_graph(unit_ND[first_U], self.neighbours)
        served_U = np.zeros(len(first_U))
        if state["embedding"].size:
            nearest_U = largest_cosine(unit_ND[first_U], at_unit_length(state["embedding"]))
            served_U = np.where(nearest_U >= graph.least_U, nearest_U, 0.0)
        gain_U, order_U = _greedy(graph, np.bincount(place_N).astype(np.float64), served_U)
        gain_N = np.zeros(len(signals))
        gain_N[first_U] = gain_U
        picked = first_U[order_U]
        rest = np.setdiff1d(np.arange(len(signals)), picked)
        return Ranking(np.concatenate([picked, rest]), gain_N)

    def observe(self, state: State, picked: Signals) -> State:
        """Return the embeddings (H, D) of all that was selected so far."""
        return {"embedding": appended(state["embedding"], picked["embedding"])}


class Graph(NamedTuple):
    """Who can stand for whom, by the one who stands."""

    start: np.ndarray
    """(U + 1,) the entries of j are `start[j]:start[j + 1]`."""
    served: np.ndarray
    """(E,) row numbers i, ascending for each j."""
    similarity: np.ndarray
    """(E,) s(i, j) in [0, 1]."""
    least_U: np.ndarray
    """(U,) similarity from which on something outside the candidates stands for i; 0 where all candidates do."""


def neighbour_graph(unit_UD: np.ndarray, neighbours: int) -> Graph:
    """Return the graph of each row's most similar rows, itself the first of them.

    The search is exact, brute force in blocks; of rows equally similar up to rounding any may be the last.

    Args:
        unit_UD: distinct rows of length 1 or 0.
        neighbours: most similar rows that each row has; at most U.
    """
    # Scikit-learn takes a second to import, and every command and worker would pay for it.
    from sklearn.neighbors import NearestNeighbors

    count = len(unit_UD)
    others = min(neighbours, count) - 1
    served_E, stands_E = np.arange(count), np.arange(count)
    similarity_E = np.ones(count)
    least_U = np.ones(count)
    if others:
        search = NearestNeighbors(n_neighbors=others, algorithm="brute", metric="euclidean").fit(unit_UD)
        near_UK = search.kneighbors(return_distance=False)
        away_UK = np.stack([np.vecdot(unit_UD[i].astype(np.float64), unit_UD[near_UK[i]]) for i in range(count)])
        away_UK = away_UK.clip(0.0, 1.0)
        least_U = away_UK.min(axis=1)
        served_E = np.concatenate([served_E, np.repeat(served_E, others)])
        stands_E = np.concatenate([stands_E, near_UK.ravel()])
        similarity_E = np.concatenate([similarity_E, away_UK.ravel()])
    graph = coo_array((similarity_E, (served_E, stands_E)), shape=(count, count)).tocsc()
    graph.sort_indices()
    return Graph(graph.indptr, graph.indices, graph.data, np.zeros(count) if others + 1 == count else least_U)


def _greedy(graph: Graph, weight_U: np.ndarray, served_U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain (U,) of every row when picked, 0 where it was not, and the picks of positive gain in order."""

    def gain_of(row: int) -> float:
        entries = slice(graph.start[row], graph.start[row + 1])
        rows = graph.served[entries]
        more = np.maximum(graph.similarity[entries] - served_U[rows], 0.0)
        return float((weight_U[rows] * more).sum())

    gain_U, order = np.zeros(len(weight_U)), list[int]()
    heap = [(-gain_of(row), row) for row in range(len(weight_U))]
    heapq.heapify(heap)
    while heap:
        row = heap[0][1]
        now = (-gain_of(row), row)
        if now[0] == 0.0:
            heapq.heappop(heap)
        elif now != heap[0]:
            heapq.heapreplace(heap, now)
        else:
            heapq.heappop(heap)
            order.append(row)
            gain_U[row] = -now[0]
            entries = slice(graph.start[row], graph.start[row + 1])
            rows = graph.served[entries]
            served_U[rows] = np.maximum(served_U[rows], graph.similarity[entries])
    return gain_U, np.array(order, dtype=np.intp)
