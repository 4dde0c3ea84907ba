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
from farsighted.results import measures
from farsighted.results.cells import CellReport, measure
from farsighted.results.items import CellItems, draw_items, read_items
from farsighted.results.lookup import GroupKey
from farsighted.results.measures import CurveScores, Weights
from farsighted.results.raw import raw_measures
from farsighted.store.reader import CellArtifacts


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about statistics."""

    reference: str
    """Label of the selector that all others are compared with."""
    resamples: int
    confidence: float
    weights: Weights

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
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
    items = [read_items(cell.scores, cell.meta["stages"], str(cell.meta["id"])) for cell in cells]
    names = [str(cell.meta["id"]) for cell in cells]
    draw = draw_items(list(zip(names, items, strict=True)), stream(0, "eval", ITEM_RESAMPLES), settings.resamples)
    replicated = [measures.replicated(item, draw) for item in items]
    reports = [
        _report(cell, item, scores, settings) for cell, item, scores in zip(cells, items, replicated, strict=True)
    ]
    labels = [(str(cell.meta["selector"]), int(cell.meta["seed"])) for cell in reports]
    by_name = dict(zip(labels, reports, strict=True))
    probes = {label: scores.probes["neutral"] for label, scores in zip(labels, replicated, strict=True)}
    for seed in sorted({seed for _, seed in by_name}):
        rows = {name: cell for (name, other), cell in by_name.items() if other == seed and _has_probes(cell)}
        if settings.reference in rows:
            replicas = {name: probes[name, seed] for name in rows}
            by_name |= {(name, seed): cell for name, cell in _with_ratios(rows, replicas, settings.reference).items()}
    counts = [len(found) for item in items for name, found in item.ids.items() if name.startswith("validation/")]
    return Group(key, by_name, settings.resamples, min(counts, default=0))


def _report(cell: CellArtifacts, items: CellItems, scores: measures.SetScores, settings: Settings) -> CellReport:
    measured, values = measure(cell.meta, items, settings.weights)
    values[THRESHOLD_TOKENS] = np.nan
    replicates = {name: np.full(settings.resamples, value) for name, value in values.items()}
    if cell.meta["status"] == "done":
        replicates |= measures.metrics(scores, settings.weights)
    rows = cell.selections.filter(pc.field("chosen"))
    named = zip(rows.column("stage_index").to_pylist(), rows.column("id").to_pylist(), strict=True)
    chosen = frozenset(f"{stage}/{example}" for stage, example in named)
    raw = raw_measures(cell.scores, len(cell.meta["stages"]))
    return CellReport(cell.meta, measured, values, replicates, chosen, raw)


def _has_probes(cell: CellReport) -> bool:
    """Whether the cell takes part in thresholds: ranked, and the neutral probe of every stage but the last complete."""
    return cell.ranked and len(cell.meta["stages"]) > 1 and not np.isnan(cell.values["future_auc"])


def _with_ratios(
    rows: Mapping[str, CellReport], replicas: Mapping[str, tuple[CurveScores, ...]], reference: str
) -> dict[str, CellReport]:
    """Return the cells of one seed with their tokens to the common threshold."""
    ratios = measures.token_ratios({name: cell.scores.probes["neutral"] for name, cell in rows.items()}, reference)
    replicated = measures.token_ratios(replicas, reference)
    return {
        name: dataclasses.replace(
            cell,
            values={
                **cell.values,
                "tokens_to_threshold": float(ratios[name].ratio),
                THRESHOLD_TOKENS: float(ratios[name].tokens),
            },
            replicates={
                **cell.replicates,
                "tokens_to_threshold": replicated[name].ratio,
                THRESHOLD_TOKENS: replicated[name].tokens,
            },
            tokens=ratios[name],
        )
        for name, cell in rows.items()
    }
