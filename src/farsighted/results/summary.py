"""Selectors over seeds: mean, spread, interval, difference to the reference, verdict.

*Reference:* definitions.md#how-sure-the-numbers-are.
"""

from collections.abc import Sequence

import numpy as np

from farsighted.core.numbers import number_or_none
from farsighted.metrics import intervals
from farsighted.metrics.intervals import Difference, Precision
from farsighted.results.cells import CellReport, stability
from farsighted.results.columns import COSTS, STABILITY
from farsighted.results.groups import Group, Sample, Settings
from farsighted.results.metrics import DIAGNOSTICS, METRICS, all_rows
from farsighted.store.records import CellIdentity, Numbers, PlannedCell
from farsighted.store.result_records import (
    CellEntry,
    ComparedNumbers,
    DifferenceNumbers,
    PowerNumbers,
    SummaryEntry,
    SummaryNumbers,
)

_UNKNOWN = Difference(float("nan"), float("nan"), float("nan"))


def summarise_group(
    group: Group, planned: Sequence[PlannedCell], entries: Sequence[CellEntry], settings: Settings
) -> list[SummaryEntry]:
    """Return one entry a planned selector, in the order of the plan.

    Intervals of metrics come from resampling items x seeds with the same draws for all selectors; a diagnostic has no
    items, so its interval comes from resampling seeds alone. Each number uses every seed that has it. A difference to
    the reference uses the seeds that both have (`paired_seeds`), and is None where there are none.

    Args:
        group: the cells that have run.
        planned: the planned cells of the group.
        entries: their entries in results.json, for cost and stability.
        settings: reference, confidence.
    """
    selectors = {cell["selector"]: cell["reference"] for cell in planned}
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
            **_compared(group, name, is_reference, settings),
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


def _compared(group: Group, selector: str, is_reference: bool, settings: Settings) -> ComparedNumbers:
    """The part of an entry that compares the selector with the reference."""
    if selector == settings.reference:
        why = "This is the selector that the others are compared with."
        return {"difference": None, "paired_seeds": [], "verdict": None, "why": why, "power": None}
    pairs = {key: _pair(group, selector, key, settings.reference) for key in all_rows()}
    differences = {key: _difference(pair, settings) for key, pair in pairs.items()}
    seeds = _paired_seeds(group, selector, "long_horizon", settings.reference)
    verdict = intervals.verdict(differences["long_horizon"], differences["current"], f"'{settings.reference}'")
    outside = "This is a reference row: shown, but outside ranks and verdicts."
    return {
        "difference": {key: _difference_numbers(difference) for key, difference in differences.items()},
        "paired_seeds": seeds,
        "power": _power(group, differences["long_horizon"], pairs["long_horizon"]),
        "verdict": None if is_reference else verdict.label,
        "why": outside if is_reference else f"{verdict.why} {_basis(seeds)}",
    }


def _basis(seeds: Sequence[int]) -> str:
    if not seeds:
        return "No seed has finished for both with a long-horizon score."
    listed = ", ".join(map(str, seeds))
    return f"Seeds: {listed}." if len(seeds) > 1 else f"Seed {listed} alone: the interval covers items only."


def _paired_seeds(group: Group, selector: str, key: str, reference: str) -> list[int]:
    return sorted({*group.finished_seeds(selector, key)} & {*group.finished_seeds(reference, key)})


def _pair(group: Group, selector: str, key: str, reference: str) -> tuple[Sample, Sample] | None:
    seeds = _paired_seeds(group, selector, key, reference)
    return (group.sample(selector, key, seeds), group.sample(reference, key, seeds)) if seeds else None


def _difference(pair: tuple[Sample, Sample] | None, settings: Settings) -> Difference:
    if pair is None:
        return _UNKNOWN
    own, reference = pair
    return intervals.paired_difference(
        own.values_Z, reference.values_Z, own.replicates_B, reference.replicates_B, settings.confidence
    )


def _difference_numbers(found: Difference) -> DifferenceNumbers:
    return {
        "mean": number_or_none(found.mean),
        "low": number_or_none(found.low),
        "high": number_or_none(found.high),
    }


def _power(group: Group, difference: Difference, pair: tuple[Sample, Sample] | None) -> PowerNumbers | None:
    """How many items and seeds would resolve the observed difference of the long-horizon score, and what there is."""
    if pair is None:
        return None
    own, reference = pair
    seeds = len(own.values_Z)
    spread = [float((a - b).std(ddof=1)) for a, b in zip(own[2:], reference[2:], strict=True)]
    precision = Precision(group.items, seeds, spread[0], spread[1] if seeds > 1 else float("nan"))
    power = intervals.power(difference.mean, precision)
    return {
        "items": power.items,
        "seeds": power.seeds,
        "growth": number_or_none(power.growth),
        "resolvable": power.resolvable,
        "measured": {
            "items": precision.items,
            "seeds": precision.seeds,
            "se_items": number_or_none(precision.se_items),
            "se_seeds": number_or_none(precision.se_seeds),
        },
    }
