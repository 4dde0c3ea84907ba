"""Why a selector cannot be judged beside a reference, in one sentence with the way out."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from farsighted.results.cells import CellReport
from farsighted.results.groups import Group
from farsighted.results.metrics import METRICS, Weights

FLOOR: Final = 0.0
"""Normalised score of chance."""
CEILING: Final = 100.0
"""Normalised score of the ceiling."""


def why_not_judged(
    group: Group, pair: tuple[str, str], seeds: Sequence[int], keys: Sequence[str], weights: Weights
) -> str:
    """Return why there can be no verdict on a pair of selectors, or nothing where there can be one.

    Args:
        group: the cells that have run.
        pair: selector and reference.
        seeds: those that both have finished with every number of `keys`.
        keys: the metrics that decide.
        weights: of the parts of those metrics.
    """
    if not seeds:
        return _nothing_shared(group, pair, keys, weights)
    if len(seeds) == 1:
        return (
            f"Both have finished seed {seeds[0]} alone, and one seed does not show what chance in training does. Run "
            "two seeds at least, and three for a verdict that is not provisional."
        )
    scores = np.concatenate([_scores(group.cells[name, seed]) for name in pair for seed in seeds])
    if (scores <= FLOOR).all():
        return f"No score of either is above the floor ({FLOOR:g}, chance), so nothing can be told apart. {_CHANGE}"
    if (scores >= CEILING).all():
        return f"No score of either is below the ceiling ({CEILING:g}), so nothing can be told apart. {_CHANGE}"
    return ""


_CHANGE: Final = "Choose other validation and shifted sets, another measure, or another model."


def _scores(cell: CellReport) -> np.ndarray:
    """Every score of the trained models that was taken."""
    scores = np.concatenate([cell.scores.matrix_ST[1:].ravel(), np.ravel(cell.scores.shifted)])
    return np.asarray(scores[np.isfinite(scores)])


def _nothing_shared(group: Group, pair: tuple[str, str], keys: Sequence[str], weights: Weights) -> str:
    done = {name: {seed for (other, seed), cell in group.cells.items() if other == name and cell.done} for name in pair}
    shared = sorted(done[pair[0]] & done[pair[1]])
    if not shared:
        return f"No seed has finished for both this selector and '{pair[1]}'. Run the same command again."
    absent = {
        part
        for name in pair
        for seed in shared
        for key in keys
        for part in _absent(group.cells[name, seed], key, weights)
    }
    listed = " and ".join(f"`{part}`" for part in sorted(absent))
    if absent == {"ood"}:
        return (
            "The long-horizon score needs a shifted set, and none was evaluated. Name one under `ood` in a stage, or "
            "take the score over its other parts with `long_horizon: {ood: 0}`."
        )
    if absent <= {"ood", "future_auc", "forgetting"} and absent:
        zeros = ", ".join(f"{part}: 0" for part in sorted(absent))
        return (
            f"The long-horizon score needs {listed}, which was not measured (the section on what is missing says why). "
            f"Take the score over its other parts with `long_horizon: {{{zeros}}}`."
        )
    if not absent:
        return f"No seed has both a current and a long-horizon score of this selector and of '{pair[1]}'. Run more."
    return f"{listed} was not measured; the section on what is missing says why."


def _absent(cell: CellReport, key: str, weights: Weights) -> list[str]:
    """The parts of a metric, or the metric itself, that a cell lacks."""
    if not math.isnan(cell.values[key]):
        return []
    row = METRICS[key]
    parts = [key] if row.parts is None else [part for part, weight in row.parts(weights).items() if weight != 0]
    return [part for part in parts if math.isnan(cell.values[part])]
