"""Means over seeds that the views show and results.json does not hold; each is a function of its value alone.

Letters: S stages scored (0 = base), T tasks, P points of a probe curve.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from farsighted.core.measures import MEASURES
from farsighted.results.lookup import GroupKey, cells
from farsighted.results.raw import measure_of
from farsighted.store.result_records import CellEntry, ResultsRecord


class MeanMatrix(NamedTuple):
    """A selector's score matrix."""

    stages: list[str]
    scores_ST: np.ndarray


class MeanCurve(NamedTuple):
    """How a selector's models learn the next stage."""

    tokens_P: np.ndarray
    scores_P: np.ndarray


class RawMeasure(NamedTuple):
    """One raw measure of one set."""

    kind: str
    set: str
    measure: str


class Spread(NamedTuple):
    """A mean with its spread."""

    mean: float
    sd: float | None
    """None for a single seed."""
    n: int


def mean_matrix(results: ResultsRecord, group: GroupKey, selector: str) -> MeanMatrix | None:
    """Return the mean of a selector's score matrices, 0..100, or None where no cell has finished."""
    done = _finished(cells(results, group), selector)
    if not done:
        return None
    scores = np.array([cell["score_matrix"] for cell in done], dtype=np.float64)
    return MeanMatrix(list(done[0]["stages"]), scores.mean(axis=0))


def mean_curve(entries: Sequence[CellEntry], selector: str) -> MeanCurve | None:
    """Return the mean curve of a selector's neutral probes, over stages and seeds, or None where there is none.

    Tokens are averaged point by point, as the cells' probes have the same number of points; a curve with another number
    is left out. `entries`: the cells of one group.
    """
    curves = [curve for cell in _finished(entries, selector) for curve in cell["probes"]["neutral"]]
    whole = [curve for curve in curves if None not in curve["scores"]]
    points = max((len(curve["scores"]) for curve in whole), default=0)
    same = [curve for curve in whole if len(curve["scores"]) == points]
    if not same:
        return None
    tokens_P = np.mean([curve["tokens"] for curve in same], axis=0)
    return MeanCurve(tokens_P, np.array([curve["scores"] for curve in same], dtype=np.float64).mean(axis=0))


def mean_overlap(results: ResultsRecord, group: GroupKey) -> dict[frozenset[str], Spread]:
    """Return the mean Jaccard index of the chosen examples of every two selectors, 0..1."""
    found: dict[frozenset[str], list[float]] = {}
    for pair in results["overlap"]:
        if GroupKey.of(pair) == group and pair["jaccard"] is not None:
            found.setdefault(frozenset((pair["a"], pair["b"])), []).append(pair["jaccard"])
    return {pair: Spread(sum(values) / len(values), None, len(values)) for pair, values in found.items()}


def raw_measures_shown(finished: Sequence[CellEntry]) -> list[RawMeasure]:
    """Return the shares that the first of some finished cells was measured by, validation sets first."""
    entries = finished[0]["measures"] if finished else []
    order = {"validation": 0, "ood": 1}
    shares = [name for name, kind in MEASURES.items() if kind.is_share]
    found = [
        RawMeasure(entry["kind"], entry["set"], measure)
        for entry in sorted(entries, key=lambda entry: order[entry["kind"]])
        if entry["after_stage"] > 0
        for measure in shares
        if measure_of(entry, measure) is not None
    ]
    return list(dict.fromkeys(found))


def raw_percent(own: Sequence[CellEntry], shown: RawMeasure, *, base: bool = False) -> Spread | None:
    """Return a raw measure of the final or the base model in percent, over some cells; None without a value."""
    found = [
        measure_of(entry, shown.measure)
        for cell in own
        for entry in cell["measures"]
        if (entry["kind"], entry["set"]) == (shown.kind, shown.set) and (entry["after_stage"] == 0) == base
    ]
    values = [100 * value for value in found if value is not None]
    if not values:
        return None
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None, len(values))


def _finished(entries: Sequence[CellEntry], selector: str) -> list[CellEntry]:
    return [cell for cell in entries if cell["selector"] == selector and cell["status"] == "done"]
