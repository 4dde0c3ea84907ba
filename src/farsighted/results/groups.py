"""The cells that may be compared: one stage order, one budget, one adaptation; selectors and seeds differ.

Letters: B resamples, Z seeds, K selectors.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.compute as pc

from farsighted.core.rng import ITEM_RESAMPLES, SEED_RESAMPLES, stream
from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.metrics.intervals import draw_resamples
from farsighted.results.cells import CellReport
from farsighted.results.items import draw_items, read_items
from farsighted.results.lookup import GroupKey
from farsighted.results.metrics import DIAGNOSTICS, METRICS, PEERS, Weights, all_rows, inputs_of, records_of, values_of
from farsighted.results.raw import raw_measures
from farsighted.results.set_scores import CurveScores, SetScores, measured, replicated
from farsighted.results.thresholds import Crossings, crossings
from farsighted.store.reader import CellArtifacts
from farsighted.store.records import ConfigRecord


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about statistics."""

    reference: str
    """Label of the selector that all others are compared with."""
    resamples: int
    confidence: float
    weights: Weights

    @classmethod
    def of(cls, config: ConfigRecord) -> "Settings":
        """Return the settings of a resolved configuration."""
        statistics = config["statistics"]
        weights = Weights(HorizonWeights(**config["long_horizon"]), ULongWeights(**config["u_long"]))
        return cls(statistics["reference"], statistics["resamples"], statistics["confidence"], weights)


THRESHOLD_TOKENS: Final = "threshold_tokens"
"""Beside the columns of a report, every cell holds the probe tokens behind its `tokens_to_threshold`, not relative."""


class Sample(NamedTuple):
    """One number over seeds."""

    values_Z: np.ndarray
    replicates_B: np.ndarray
    """Of its mean over seeds, over items x seeds."""
    items_only_B: np.ndarray
    """Of its mean over the same seeds, over items alone."""
    seeds_only_B: np.ndarray
    """Of its mean over seeds alone."""


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one group that have run, by selector and seed."""

    key: GroupKey
    cells: Mapping[tuple[str, int], CellReport]
    resamples: int
    items: int
    """Items of the smallest validation set."""

    def finished_seeds(self, selector: str, key: str) -> list[int]:
        """Return the seeds of a selector that have a number under `key`."""
        return sorted(
            seed for (name, seed), cell in self.cells.items() if name == selector and not np.isnan(cell.values[key])
        )

    def sample(self, selector: str, key: str, seeds: Sequence[int]) -> Sample:
        """Return a number over some seeds, with its bootstrap replicates.

        All selectors of the group share the draw of items, and any two that are asked for the same seeds share the
        draw of seeds: a difference of two samples over the same seeds is paired.
        """
        cells = [self.cells[selector, seed] for seed in seeds]
        values_Z = np.array([cell.values[key] for cell in cells])
        replicates_BZ = np.stack([cell.replicates[key] for cell in cells], axis=-1)
        drawn_BZ = self.seed_draw(seeds)
        return Sample(
            values_Z,
            np.take_along_axis(replicates_BZ, drawn_BZ, axis=1).mean(axis=1),
            replicates_BZ.mean(axis=1),
            values_Z[drawn_BZ].mean(axis=1),
        )

    def seed_draw(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the draw of seeds, (B, Z) positions in `seeds`: the same whoever asks for the same seeds."""
        rng = stream(0, "eval", SEED_RESAMPLES, *sorted(seeds))
        return draw_resamples(rng, self.resamples, len(seeds), {}).seed_index


def report_group(key: GroupKey, cells: Sequence[CellArtifacts], settings: Settings) -> Group:
    """Measure the cells of one group, with replicates of every metric.

    Raises:
        StorageError: if two cells were scored on different items.
    """
    items = [read_items(cell.scores, cell.meta["stages"], cell.meta["id"]) for cell in cells]
    names = [cell.meta["id"] for cell in cells]
    draw = draw_items(list(zip(names, items, strict=True)), stream(0, "eval", ITEM_RESAMPLES), settings.resamples)
    resampled = [replicated(item, draw) for item in items]
    reports = [
        _report(cell, measured(item), scores, settings)
        for cell, item, scores in zip(cells, items, resampled, strict=True)
    ]
    labels = [(cell.meta["selector"], cell.meta["seed"]) for cell in reports]
    by_name = dict(zip(labels, reports, strict=True))
    probes = {label: scores.probes["neutral"] for label, scores in zip(labels, resampled, strict=True)}
    for seed in sorted({seed for _, seed in by_name}):
        rows = {name: cell for (name, other), cell in by_name.items() if other == seed and _has_probes(cell)}
        if settings.reference in rows:
            replicas = {name: probes[name, seed] for name in rows}
            by_name |= {(name, seed): cell for name, cell in _compared(rows, replicas, settings.reference).items()}
    counts = [len(found) for item in items for name, found in item.ids.items() if name.startswith("validation/")]
    return Group(key, by_name, settings.resamples, min(counts, default=0))


def _report(cell: CellArtifacts, scores: SetScores, resampled: SetScores, settings: Settings) -> CellReport:
    """A cell by itself: every number is NaN where it diverged, and one that compares cells is NaN for now."""
    values = dict.fromkeys((*all_rows(), THRESHOLD_TOKENS), np.nan)
    replicates: dict[str, np.ndarray] = {}
    if cell.meta["status"] == "done":
        inputs, resampled_inputs = (inputs_of(found, settings.weights) for found in (scores, resampled))
        found = values_of(METRICS.values(), inputs) | values_of(DIAGNOSTICS.values(), records_of(cell.meta))
        values |= {key: float(value) for key, value in found.items()}
        replicates = values_of(METRICS.values(), resampled_inputs)
    constant = {key: np.full(settings.resamples, value) for key, value in values.items() if key not in replicates}
    rows = cell.selections.filter(pc.field("chosen"))
    named = zip(rows.column("stage_index").to_pylist(), rows.column("id").to_pylist(), strict=True)
    chosen = frozenset(f"{stage}/{example}" for stage, example in named)
    raw = raw_measures(cell.scores, len(cell.meta["stages"]))
    return CellReport(cell.meta, scores, values, constant | replicates, chosen, raw)


def _has_probes(cell: CellReport) -> bool:
    """Whether the cell takes part in thresholds: ranked, and the neutral probe of every stage but the last complete."""
    return cell.ranked and len(cell.meta["stages"]) > 1 and not np.isnan(cell.values["future_auc"])


def _compared(
    rows: Mapping[str, CellReport], replicas: Mapping[str, tuple[CurveScores, ...]], reference: str
) -> dict[str, CellReport]:
    """Return the cells of one seed with the numbers that compare them."""
    own = crossings({name: cell.scores.probes["neutral"] for name, cell in rows.items()}, reference)
    resampled = crossings(replicas, reference)
    return {
        name: dataclasses.replace(
            cell,
            values=cell.values | {key: float(value) for key, value in _comparisons(cell.values, own[name]).items()},
            replicates=cell.replicates | _comparisons(cell.replicates, resampled[name]),
            crossings=own[name],
        )
        for name, cell in rows.items()
    }


def _comparisons(known: Mapping[str, Any], own: Crossings) -> dict[str, Any]:
    """The numbers that compare a cell with its peers, from its other numbers and its crossings."""
    wanted = [row for row in METRICS.values() if row.compares]
    return {**values_of(wanted, {**known, PEERS: own}), THRESHOLD_TOKENS: own.tokens}
