"""Set functions at scale: farthest-first, facility location, LHAS and clusters, against plain loops and apricot."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from sklearn.metrics import pairwise_distances

from benchmarks import traversal
from benchmarks.results import BenchSettings, Measurement, Part, exact_row, spread_row
from benchmarks.timing import race
from farsighted.core.values import Signals
from farsighted.selectors import LHAS, FacilityLocation
from farsighted.sets.clusters import spherical_kmeans
from farsighted.sets.geometry import at_unit_length
from farsighted.sets.greedy import farthest_first

NO_HISTORY: Final = np.empty((0, 0), dtype=np.float32)
NO_APRICOT: Final = (
    "Facility location was not measured against apricot, which is not installed: `pip install 'farsighted[bench]'`."
)
_REPEATS: Final = 3
"""Turns at most: each takes seconds, beside which the machine's moods are small."""
_SKETCH: Final = 1024


@dataclass(frozen=True, slots=True)
class SetsSize:
    """How many points each set function gets; all are of one width."""

    width: int
    farthest: int
    picks: int
    loop_picks: int
    """Picks of the loops that are timed; their time is scaled to all picks, each of which costs the same."""
    exact: int
    """Points on which the lazy order is compared with the loop's."""
    facility: int
    facility_picks: int
    lhas: int
    clustered: int


FULL = SetsSize(384, 100_000, 25_000, 200, 5000, 5000, 1250, 4000, 30_000)
QUICK = SetsSize(16, 3000, 750, 50, 2500, 300, 75, 200, 500)


def measure_sets(settings: BenchSettings, size: SetsSize | None = None) -> Part:
    """Measure on unit vectors around 200 centres, as embeddings are."""
    size = size or (QUICK if settings.quick else FULL)
    rng = np.random.default_rng(settings.seed)
    repeats = min(settings.repeats, _REPEATS)
    seconds: dict[str, list[float]] = {}
    rows = _farthest(settings, size, rng, seconds)
    facility, notes = _facility(size, rng, repeats, seconds)
    rows += facility
    rows += _others(size, rng, repeats, seconds)
    setting = (
        f"Unit vectors, d = {size.width}, around 200 centres. Farthest-first: n = {size.farthest:,}, "
        f"k = {size.picks:,}; the loops are timed over {size.loop_picks} picks and scaled. Facility location: "
        f"n = {size.facility:,}, k = {size.facility_picks:,}."
    )
    return Part("sets", setting, rows, seconds, notes)


def unit_points(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return float32 rows of length 1 around 200 centres, (count, width)."""
    centre_CD = rng.standard_normal((200, width))
    points_ND = centre_CD[rng.integers(200, size=count)] + rng.standard_normal((count, width))
    return at_unit_length(points_ND).astype(np.float32)


def running_minimum(points_ND: np.ndarray, picks: int) -> list[int]:
    """Pick farthest-first by a running minimum over all points, in the points' precision."""
    norm_N = np.vecdot(points_ND, points_ND)
    return _picked(points_ND, picks, lambda place_D: norm_N + place_D @ place_D - 2.0 * (points_ND @ place_D))


def library_loop(points_ND: np.ndarray, picks: int) -> list[int]:
    """Do the same with scikit-learn's distances to one centre after the other."""
    return _picked(points_ND, picks, lambda place_D: pairwise_distances(points_ND, place_D[None])[:, 0])


def _picked(points_ND: np.ndarray, picks: int, away: Callable[[np.ndarray], np.ndarray]) -> list[int]:
    nearest_N = away(points_ND.mean(axis=0))
    order: list[int] = []
    for place in range(picks):
        pick = int(np.argmax(nearest_N))
        order.append(pick)
        away_N = away(points_ND[pick])
        nearest_N = np.minimum(nearest_N, away_N) if place else away_N
        nearest_N[pick] = -1.0
    return order


def _farthest(
    settings: BenchSettings, size: SetsSize, rng: np.random.Generator, seconds: dict[str, list[float]]
) -> list[Measurement]:
    points_ND = unit_points(size.farthest, size.width, rng)
    contestants: dict[str, Callable[[], object]] = {
        "farthest-first": _traversal(points_ND, size.picks, settings.device),
        "running minimum": lambda: running_minimum(points_ND, size.loop_picks),
        "scikit-learn loop": lambda: library_loop(points_ND, max(1, size.loop_picks // 4)),
    }
    times = race(contestants, min(settings.repeats, _REPEATS), settings.device)
    seconds |= {name: taken.tolist() for name, taken in times.items()}
    ours, scale = times["farthest-first"], size.picks / size.loop_picks
    library_scale = size.picks / max(1, size.loop_picks // 4)
    tracemalloc.start()
    farthest_first(points_ND, NO_HISTORY, size.picks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    few_ND = unit_points(size.exact, size.width, rng)
    lazy = farthest_first(few_ND, NO_HISTORY).order
    plain = np.array(running_minimum(few_ND.astype(np.float64), size.exact))
    return [
        spread_row("farthest-first", ours, unit="s", at_most=40.0),
        spread_row("farthest-first ÷ running-minimum loop", ours / (times["running minimum"] * scale), at_most=1 / 10),
        spread_row("farthest-first ÷ loop of scikit-learn", ours / (times["scikit-learn loop"] * library_scale)),
        exact_row("farthest-first: memory beyond the points", peak / 1e6, unit="MB", at_most=1000.0),
        exact_row(f"places of the order that differ from the loop's, n = {size.exact:,}", float((lazy != plain).sum())),
    ]


def _traversal(points_ND: np.ndarray, picks: int, device: str) -> Callable[[], object]:
    if device == "cpu":
        return lambda: farthest_first(points_ND, NO_HISTORY, picks)
    points = torch.from_numpy(points_ND).to(device)
    return lambda: traversal.farthest_first(points, points[:0], picks)


def _facility(
    size: SetsSize, rng: np.random.Generator, repeats: int, seconds: dict[str, list[float]]
) -> tuple[list[Measurement], list[str]]:
    points_ND = unit_points(size.facility, size.width, rng)
    signals = Signals(tuple(map(str, range(size.facility))), {"embedding": points_ND}, {})

    def ours(neighbours: int) -> np.ndarray:
        selector = FacilityLocation(neighbours)
        return selector.rank(signals, selector.init(), rng).order[: size.facility_picks]

    contestants: dict[str, Callable[[], object]] = {"facility location": lambda: ours(64)}
    apricot = _apricot(points_ND, size.facility_picks)
    if apricot is not None:
        contestants["apricot"] = apricot
    times = race(contestants, repeats, "cpu")
    seconds |= {name: taken.tolist() for name, taken in times.items()}
    rows = [spread_row("facility location, 64 neighbours, every place", times["facility location"], unit="s")]
    if apricot is None:
        return rows, [NO_APRICOT]
    theirs = coverage(points_ND, apricot())
    rows += [
        spread_row("facility location ÷ apricot, dense", times["facility location"] / times["apricot"]),
        exact_row("what is covered, 64 neighbours ÷ apricot", coverage(points_ND, ours(64)) / theirs),
        exact_row("what is covered, all neighbours ÷ apricot", coverage(points_ND, ours(size.facility)) / theirs),
    ]
    return rows, []


def coverage(points_ND: np.ndarray, picks: np.ndarray) -> float:
    """Return the mean over all points of the largest cosine with a pick, negative ones counting 0."""
    return float(np.maximum(points_ND @ points_ND[picks].T, 0.0).max(axis=1).mean(dtype=np.float64))


def _apricot(points_ND: np.ndarray, picks: int) -> Callable[[], np.ndarray] | None:
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        return None

    def select() -> np.ndarray:
        similarity_NN = np.maximum(points_ND @ points_ND.T, 0.0).astype(np.float64)
        found: Any = FacilityLocationSelection(picks, metric="precomputed", optimizer="lazy")
        ranking: np.ndarray = np.asarray(found.fit(similarity_NN).ranking)
        return ranking

    return select


def _others(
    size: SetsSize, rng: np.random.Generator, repeats: int, seconds: dict[str, list[float]]
) -> list[Measurement]:
    rows = {
        "embedding": unit_points(size.lhas, size.width, rng),
        "head_sketch": rng.standard_normal((size.lhas, _SKETCH)).astype(np.float32),
        "cluster": rng.integers(64, size=size.lhas),
        "nll": rng.gamma(2.0, size=size.lhas),
    }
    context = {"cluster_count": np.array(64), "proxy_sketch": rng.standard_normal(_SKETCH)}
    signals = Signals(tuple(map(str, range(size.lhas))), rows, context)
    lhas = LHAS(utility="loss")
    clustered_ND = unit_points(size.clustered, size.width, rng)
    contestants: dict[str, Callable[[], object]] = {
        "LHAS": lambda: lhas.rank(signals, lhas.init(), rng),
        "spherical k-means": lambda: spherical_kmeans(clustered_ND, 64, rng),
    }
    times = race(contestants, repeats, "cpu")
    seconds |= {name: taken.tolist() for name, taken in times.items()}
    lhas_name = f"LHAS, every place of {size.lhas:,}, sketches of {_SKETCH}"
    kmeans_name = f"spherical k-means, {size.clustered:,} points, 64 clusters"
    return [
        spread_row(lhas_name, times["LHAS"], unit="s"),
        spread_row(kmeans_name, times["spherical k-means"], unit="s"),
    ]
