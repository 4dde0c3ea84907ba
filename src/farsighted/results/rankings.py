"""Selectors against each other: myopia gap (paper, Eq. 3) and overlap of what they chose.

*Reference:* definitions.md#selection-overlap.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.metrics import horizon, intervals
from farsighted.metrics.diagnostics import jaccard
from farsighted.metrics.horizon import MyopiaGap
from farsighted.results.groups import Group, Settings
from farsighted.store.result_records import MyopiaEntry, OverlapEntry


def myopia(group: Group, selectors: Sequence[str], settings: Settings) -> MyopiaEntry | None:
    """Return the myopia gap of the group with its interval, or None where it cannot be had.

    Over the seeds that all selectors have finished with an immediate gain and a long-horizon score; a selector that has
    none such seed is left out. `selectors` names those that are ranked: no reference rows. The interval is over items x
    seeds; ranks are pushed towards each other by resampling, so it need not hold the measured value.
    """
    seeds = {name: _complete_seeds(group, name) for name in selectors}
    names = [name for name in selectors if seeds[name]]
    common = sorted(set.intersection(*(seeds[name] for name in names))) if names else []
    if len(names) < 2 or not common:
        return None
    gap, replicas = myopia_gaps(group, names, common)
    family = intervals.interval(replicas.family, settings.confidence)
    signed = [intervals.interval(replicas.signed_K[:, k], settings.confidence) for k in range(len(names))]
    return {
        **group.key.record(),
        "seeds": common,
        "family": float(gap.family),
        "low": number_or_none(family.low),
        "high": number_or_none(family.high),
        "selectors": {
            name: {
                "contribution": float(gap.contribution_K[k]),
                "signed": float(gap.signed_K[k]),
                "low": number_or_none(signed[k].low),
                "high": number_or_none(signed[k].high),
                "rank_immediate": float(gap.rank_immediate_K[k]),
                "rank_long": float(gap.rank_long_K[k]),
            }
            for k, name in enumerate(names)
        },
        "left_out": [name for name in selectors if not seeds[name]],
    }


def myopia_gaps(group: Group, selectors: Sequence[str], seeds: Sequence[int]) -> tuple[MyopiaGap, MyopiaGap]:
    """Return the myopia gap (Eq. 3) of some selectors over some seeds, as measured and of every resample, (B, ...).

    Every selector must have finished every seed with an immediate gain and a long-horizon score.
    """
    measured = (_values(group, selectors, key, seeds) for key in ("immediate_gain", "long_horizon"))
    resampled = (_replicates(group, selectors, key, seeds) for key in ("immediate_gain", "long_horizon"))
    return horizon.myopia_gap(*measured), horizon.myopia_gap(*resampled)


def overlap(group: Group, selectors: Sequence[str]) -> list[OverlapEntry]:
    """Return the Jaccard index of the chosen examples of every two selectors, for every seed that both finished."""
    seeds = sorted({seed for _, seed in group.cells})
    found: list[OverlapEntry] = []
    for seed, (a, b) in itertools.product(seeds, itertools.combinations(selectors, 2)):
        pair = [group.cells.get((name, seed)) for name in (a, b)]
        chosen = [cell.chosen for cell in pair if cell is not None and cell.done]
        if len(chosen) == 2:
            index = number_or_none(jaccard(*chosen))
            found.append({"seed": seed, **group.key.record(), "a": a, "b": b, "jaccard": index})
    return found


def _complete_seeds(group: Group, selector: str) -> set[int]:
    return {*group.finished_seeds(selector, "immediate_gain")} & {*group.finished_seeds(selector, "long_horizon")}


def _values(group: Group, names: Sequence[str], key: str, seeds: Sequence[int]) -> np.ndarray:
    return np.array([[group.cells[name, seed].values[key] for seed in seeds] for name in names])


def _replicates(group: Group, names: Sequence[str], key: str, seeds: Sequence[int]) -> np.ndarray:
    """(B, K, Z): item draws of each cell, put in the order of the drawn seeds."""
    replicates_KZB = np.array([[group.cells[name, seed].replicates[key] for seed in seeds] for name in names])
    replicates_BKZ = np.moveaxis(replicates_KZB, -1, 0)
    return np.take_along_axis(replicates_BKZ, group.seed_draw(seeds)[:, None, :], axis=2)
