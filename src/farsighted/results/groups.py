"""The cells that may be compared: one stage order, one budget, one adaptation; selectors and seeds differ.

Letters: B resamples, Z seeds, K selectors.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.compute as pc

from farsighted.core.rng import ITEM_RESAMPLES, SEED_RESAMPLES, stream
from farsighted.core.verdicts import Correction
from farsighted.metrics.horizon import HorizonWeights, ULongWeights
from farsighted.metrics.intervals import Resample, draw_resamples
from farsighted.metrics.multiplicity import resamples_needed
from farsighted.results.cells import CellReport
from farsighted.results.items import CellItems, draw_items, read_items
from farsighted.results.lookup import GroupKey
from farsighted.results.metrics import DIAGNOSTICS, METRICS, PEERS, Weights, all_rows, inputs_of, records_of, values_of
from farsighted.results.raw import raw_measures
from farsighted.results.set_scores import CurveScores, SetScores, measured, replicated
from farsighted.results.thresholds import Crossings, crossings
from farsighted.store.reader import CellArtifacts
from farsighted.store.records import ConfigRecord, PlannedCell


@dataclass(frozen=True, slots=True)
class SmallestEffect:
    """The smallest differences that matter."""

    now: float = 0.5
    """Of current scores, in points."""
    later: float = 0.005
    """Of long-horizon scores, 0..1."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about statistics."""

    references: tuple[str, ...]
    """Labels of the selectors that all others are compared with, the headline's first."""
    resamples: int
    confidence: float
    weights: Weights
    correction: Correction = "holm"
    smallest: SmallestEffect = SmallestEffect()

    @classmethod
    def of(cls, config: ConfigRecord) -> "Settings":
        """Return the settings of a resolved configuration; an older one lacks some of them and has their defaults."""
        statistics = config["statistics"]
        # A plan without a correction has the resamples that were the default before verdicts were corrected.
        least = 1 if "correction" in statistics else _RESAMPLES
        named = statistics["reference"]
        return cls(
            (named,) if isinstance(named, str) else tuple(named),
            max(statistics["resamples"], least),
            statistics["confidence"],
            Weights(HorizonWeights(**config["long_horizon"]), ULongWeights(**config["u_long"])),
            statistics.get("correction", "holm"),
            SmallestEffect(**statistics.get("smallest_effect", {})),
        )

    @property
    def reference(self) -> str:
        """The first of `references`: that of headlines, thresholds and differences."""
        return self.references[0]

    @property
    def alpha(self) -> float:
        """What `confidence` leaves."""
        return 1 - self.confidence

    def for_cells(self, planned: Sequence[PlannedCell]) -> "Settings":
        """Return the settings of an audit's verdicts: rows shown as references are references, resamples suffice.

        The smallest corrected level of a family of verdicts is that of two comparisons for each selector.
        """
        rows = dict.fromkeys(cell["selector"] for cell in planned if cell["reference"])
        judged = {cell["selector"] for cell in planned} - set(rows)
        needed = resamples_needed(2 * len(judged), self.alpha)
        everyone = tuple(dict.fromkeys((*self.references, *rows)))
        return dataclasses.replace(self, references=everyone, resamples=max(self.resamples, needed))


_RESAMPLES: Final = 10_000

THRESHOLD_TOKENS: Final = "threshold_tokens"
"""Beside the columns of a report, every cell holds the probe tokens behind its `tokens_to_threshold`, not relative."""


class Sample(NamedTuple):
    """One number over seeds."""

    values_Z: np.ndarray
    replicates_B: np.ndarray
    """Of its mean over seeds, over items x seeds."""


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
        return Sample(values_Z, np.take_along_axis(replicates_BZ, drawn_BZ, axis=1).mean(axis=1))

    def spreads(self, selector: str, other: str, key: str, seeds: Sequence[int]) -> tuple[float, float]:
        """Return the standard errors of the difference of two selectors' numbers: from items alone, and seeds alone."""
        cells = [(self.cells[selector, seed], self.cells[other, seed]) for seed in seeds]
        items_BZ = np.stack([own.replicates[key] - peer.replicates[key] for own, peer in cells], axis=-1)
        change_Z = np.array([own.values[key] - peer.values[key] for own, peer in cells])
        seeds_B = change_Z[self.seed_draw(seeds)].mean(axis=1)
        return float(items_BZ.mean(axis=1).std(ddof=1)), float(seeds_B.std(ddof=1))

    def seed_draw(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the draw of seeds, (B, Z) positions in `seeds`: the same whoever asks for the same seeds."""
        return _seed_draw(self.resamples, tuple(sorted(seeds)))


@lru_cache(maxsize=32)
def _seed_draw(resamples: int, seeds: tuple[int, ...]) -> np.ndarray:
    """The draw of `Group.seed_draw`; every metric of every selector asks for the same few."""
    drawn_BZ = draw_resamples(stream(0, "eval", SEED_RESAMPLES, *seeds), resamples, len(seeds), {}).seed_index
    drawn_BZ.setflags(write=False)
    return drawn_BZ


def report_group(key: GroupKey, cells: Sequence[CellArtifacts], settings: Settings) -> Group:
    """Measure the cells of one group, with replicates of every metric.

    Raises:
        StorageError: if two cells were scored on different items.
    """
    items = [read_items(cell.scores, cell.meta["stages"], cell.meta["id"]) for cell in cells]
    names = [cell.meta["id"] for cell in cells]
    draw = draw_items(list(zip(names, items, strict=True)), stream(0, "eval", ITEM_RESAMPLES), settings.resamples)
    by_name: dict[tuple[str, int], CellReport] = {}
    # Seed by seed: replicates of whole score matrices are large, and only cells of one seed are compared by them.
    for seed in sorted({cell.meta["seed"] for cell in cells}):
        same = [(cell, item) for cell, item in zip(cells, items, strict=True) if cell.meta["seed"] == seed]
        by_name |= {(name, seed): cell for name, cell in _of_one_seed(same, draw, settings).items()}
    counts = [len(found) for item in items for name, found in item.ids.items() if name.startswith("validation/")]
    return Group(key, by_name, settings.resamples, min(counts, default=0))


def _of_one_seed(
    cells: Sequence[tuple[CellArtifacts, CellItems]], draw: Resample, settings: Settings
) -> dict[str, CellReport]:
    """The reports of one seed's cells by selector, with the numbers that compare them."""
    found: dict[str, CellReport] = {}
    probes: dict[str, tuple[CurveScores, ...]] = {}
    for cell, item in cells:
        resampled = replicated(item, draw)
        found[cell.meta["selector"]] = _report(cell, measured(item), resampled, settings)
        probes[cell.meta["selector"]] = resampled.probes["neutral"]
    rows = {name: cell for name, cell in found.items() if _has_probes(cell)}
    if settings.reference not in rows:
        return found
    return found | _compared(rows, {name: probes[name] for name in rows}, settings.reference)


def _report(cell: CellArtifacts, scores: SetScores, resampled: SetScores, settings: Settings) -> CellReport:
    """A cell by itself: every number is NaN where it diverged, and one that compares cells is NaN for now."""
    values = dict.fromkeys((*all_rows(), THRESHOLD_TOKENS), np.nan)
    replicates: dict[str, np.ndarray] = {}
    if cell.meta["status"] == "done":
        inputs, resampled_inputs = (inputs_of(found, settings.weights) for found in (scores, resampled))
        found = values_of(METRICS.values(), inputs) | values_of(DIAGNOSTICS.values(), records_of(cell.meta))
        values |= {key: float(value) for key, value in found.items()}
        replicates = values_of(METRICS.values(), resampled_inputs)
    # A view of one number: thousands of cells in one report would fill the memory with copies of it.
    constant = {
        key: np.broadcast_to(value, settings.resamples) for key, value in values.items() if key not in replicates
    }
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
