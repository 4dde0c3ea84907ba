"""Selectors over seeds: mean, spread, interval, difference to the reference, verdict.

*Reference:* definitions.md#how-sure-the-numbers-are.
"""

from collections.abc import Sequence

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.metrics import intervals
from farsighted.results.cells import CellReport, stability
from farsighted.results.columns import COSTS, STABILITY
from farsighted.results.groups import Group, Settings
from farsighted.results.metrics import DIAGNOSTICS, METRICS, all_rows
from farsighted.results.verdicts import Pair, pair_of, verdicts_of
from farsighted.store.records import CellIdentity, Numbers, PlannedCell
from farsighted.store.result_records import (
    CellEntry,
    DifferenceNumbers,
    SummaryEntry,
    SummaryNumbers,
)


def summarise_group(
    group: Group, planned: Sequence[PlannedCell], entries: Sequence[CellEntry], settings: Settings
) -> list[SummaryEntry]:
    """Return one entry a planned selector, in the order of the plan.

    Intervals of metrics come from resampling items x seeds with the same draws for all selectors; a diagnostic has no
    items, so its interval comes from resampling seeds alone. Each number uses every seed that has it. A difference to
    the first reference uses the seeds that both have, and is None where there are none.

    Args:
        group: the cells that have run.
        planned: the planned cells of the group.
        entries: their entries in results.json, for cost and stability.
        settings: references, confidence, and how verdicts are corrected.
    """
    selectors = {cell["selector"]: cell["reference"] for cell in planned}
    judged = [name for name, is_reference in selectors.items() if not is_reference]
    verdicts = verdicts_of(group, judged, [name for name in settings.references if name in selectors], settings)
    return [
        {
            "selector": name,
            "family": next(cell["family"] for cell in planned if _is(cell, name)),
            "reference": is_reference,
            **group.key.record(),
            "seeds": sorted(entry["seed"] for entry in entries if _is(entry, name) and entry["status"] == "done"),
            "metrics": {key: _summary(group, name, key, settings) for key in METRICS},
            "diagnostics": {key: _summary(group, name, key, settings) for key in DIAGNOSTICS},
            "cost": _mean_cost([entry for entry in entries if _is(entry, name) and entry["status"] == "done"]),
            "stability": _sum_stability([cell for (other, _), cell in group.cells.items() if other == name]),
            "difference": _differences(group, name, settings),
            "verdicts": verdicts.get(name, []),
        }
        for name, is_reference in selectors.items()
    ]


def _is(cell: CellIdentity, selector: str) -> bool:
    return cell["selector"] == selector


def _summary(group: Group, selector: str, key: str, settings: Settings) -> SummaryNumbers:
    seeds = group.finished_seeds(selector, key)
    if not seeds:
        return {"mean": None, "sd": None, "low": None, "high": None, "n": 0}
    sample = group.sample(selector, key, seeds)
    summary = intervals.summarise(sample.values_Z, sample.replicates_B, settings.confidence)
    return {
        "mean": number_or_none(summary.mean),
        "sd": number_or_none(summary.sd),
        "low": number_or_none(summary.low),
        "high": number_or_none(summary.high),
        "n": summary.n,
    }


def _mean_cost(entries: Sequence[CellEntry]) -> Numbers:
    found = {key: [cost for entry in entries if (cost := entry["cost"][key]) is not None] for key in COSTS}
    return {key: float(np.mean(values)) if values else None for key, values in found.items()}


def _sum_stability(cells: Sequence[CellReport]) -> dict[str, int]:
    counts = [stability(cell.meta["per_stage"]) for cell in cells]
    return {key: sum(count[key] for count in counts) for key in STABILITY}


def _differences(group: Group, selector: str, settings: Settings) -> dict[str, DifferenceNumbers] | None:
    """Every number of a selector minus that of the first reference."""
    if selector == settings.reference:
        return None
    pairs = {key: pair_of(group, selector, key, settings.reference) for key in all_rows()}
    return {key: _difference(pair, settings) for key, pair in pairs.items()}


def _difference(pair: Pair | None, settings: Settings) -> DifferenceNumbers:
    if pair is None:
        return {"mean": None, "low": None, "high": None}
    own, reference = pair
    found = intervals.paired_difference(
        own.values_Z, reference.values_Z, own.replicates_B, reference.replicates_B, settings.confidence
    )
    return {
        "mean": number_or_none(found.mean),
        "low": number_or_none(found.low),
        "high": number_or_none(found.high),
    }
