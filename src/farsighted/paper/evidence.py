"""What the paper's claims look at: any number of any family of selectors in any group, paired over items and seeds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from farsighted.core.names import FAMILIES
from farsighted.paper.findings import Finding
from farsighted.results.estimates import Estimate
from farsighted.results.groups import Group
from farsighted.results.lookup import GroupKey, title
from farsighted.results.metrics import DIAGNOSTICS
from farsighted.results.rankings import myopia_gaps

FULL = "full"
"""The adaptation that trains all parameters."""


class Reading(NamedTuple):
    """One number to be read: a metric or a diagnostic of one family in one group."""

    group: GroupKey
    family: str
    key: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The groups of one audit, as the claims see them.

    A family is seen through its one ranked selector; where several ranked selectors belong to a family, through the one
    that has its name. References stay out.
    """

    groups: Mapping[GroupKey, Group]
    confidence: float = 0.95
    alignment: Mapping[str, float] | None = None
    """Order to alignment of its neighbouring stages, larger = more alike; None where it was not computed."""
    theory: Finding | None = None
    """What became of claim 11; None where it was not computed."""

    @property
    def main(self) -> GroupKey:
        """The group that the paper's Tables 1 and 2 would come from: canonical order, 25 %, adapters.

        Where one of the three was not run, the first in the plan stands for it.

        Raises:
            ValueError: if there is no group at all.
        """
        if not self.groups:
            raise ValueError("Claims need at least one group of cells, but there is none. Run the audit first.")
        return max(
            self.groups,
            key=lambda group: (group.order == "canonical", group.budget.startswith("25%"), group.adaptation != FULL),
        )

    @property
    def orders(self) -> list[GroupKey]:
        """The groups that differ from the main one in nothing but the order of stages, itself first."""
        return [self.main, *(key for key in self.groups if key != self.main and key[1:] == self.main[1:])]

    def at_budget(self, share: str) -> GroupKey:
        """Return the key of the main group at another share, such as `10%`, whether it was run or not."""
        unit = re.sub(r"^[\d.]+%", "", self.main.budget) if "%" in self.main.budget else ""
        return self.main._replace(budget=f"{share}{unit}")

    def of(self, key: str, *families: str, group: GroupKey | None = None) -> list[Estimate]:
        """Return a number of some families in one group (default: the main one), over the seeds that all have."""
        return self.read([Reading(group or self.main, family, key) for family in families])

    def read(self, readings: Sequence[Reading]) -> list[Estimate]:
        """Return what is asked for, over the seeds that all readings have; all missing where there is no such seed.

        Any two of the result are paired: they share the draw of seeds and, within a group, that of items. Groups with
        the same evaluation sets share that of items too; others (other orders, whose probes differ) draw items apart,
        so that an interval across them counts twice what an item does to both.
        """
        why, seeds = self._absent(readings), self.seeds(readings)
        if why or not seeds:
            return [Estimate.missing(why or _no_common_seed(readings))] * len(readings)
        return [self._estimate(reading, seeds) for reading in readings]

    def seeds(self, readings: Sequence[Reading]) -> list[int]:
        """Return the seeds that have a number under every reading."""
        if self._absent(readings):
            return []
        found = [{*self.groups[r.group].finished_seeds(self.label(r.group, r.family), r.key)} for r in readings]
        return sorted(set.intersection(*found))

    def label(self, group: GroupKey, family: str) -> str:
        """Return the label of the ranked selector that stands for a family; empty where none does."""
        cells = self.groups[group].cells.items() if group in self.groups else ()
        labels = dict.fromkeys(name for (name, _), cell in cells if cell.ranked and cell.meta["family"] == family)
        return next(iter(labels), "") if len(labels) == 1 else next((name for name in labels if name == family), "")

    def family_gap(self, groups: Sequence[GroupKey]) -> list[Estimate]:
        """Return the family's myopia gap (Eq. 3) over the seven families in each group, over the seeds that all have.

        Ranks are pushed towards each other by resampling, so an interval need not hold the measured value.
        """
        keys = ("immediate_gain", "long_horizon")
        readings = [Reading(group, family, key) for group in groups for family in FAMILIES for key in keys]
        why, seeds = self._absent(readings), self.seeds(readings)
        if why or not seeds:
            return [Estimate.missing(why or _no_common_seed(readings))] * len(groups)
        found = []
        for group in groups:
            labels = [self.label(group, family) for family in FAMILIES]
            gap, replicas = myopia_gaps(self.groups[group], labels, seeds)
            found.append(Estimate(float(gap.family), replicas.family, len(seeds)))
        return found

    def censored(self, family: str, seeds: Sequence[int]) -> bool:
        """Whether a family's probe missed the common threshold in some stage of one of these seeds (main group)."""
        cells = [self.groups[self.main].cells[self.label(self.main, family), seed] for seed in seeds]
        return any(cell.crossings is not None and cell.crossings.censored > 0 for cell in cells)

    def differing(self, group: GroupKey) -> str:
        """Return a group in words, by what sets it apart from the main one."""
        named = [
            f"{part} {value}"
            for part, value, usual in zip(group._fields, group, self.main, strict=True)
            if value != usual
        ]
        return " and ".join(named) or title(group)

    def _absent(self, readings: Sequence[Reading]) -> str:
        """Which groups and families were not run, as a reason; empty where all were."""
        run = {key for key, group in self.groups.items() if any(cell.done for cell in group.cells.values())}
        groups = dict.fromkeys(reading.group for reading in readings if reading.group not in run)
        lost = [self.differing(group) for group in groups]
        lost += dict.fromkeys(r.family for r in readings if r.group in run and not self.label(r.group, r.family))
        return "; ".join(f"not run: {part}" for part in lost)

    def _estimate(self, reading: Reading, seeds: Sequence[int]) -> Estimate:
        group = self.groups[reading.group]
        sample = group.sample(self.label(reading.group, reading.family), reading.key, seeds)
        alone = reading.key in DIAGNOSTICS and len(seeds) == 1
        why = "a diagnostic of a single seed has no interval" if alone else ""
        return Estimate(float(sample.values_Z.mean()), sample.replicates_B, len(seeds), why)


def _no_common_seed(readings: Sequence[Reading]) -> str:
    families = ", ".join(dict.fromkeys(reading.family for reading in readings))
    keys = ", ".join(dict.fromkeys(reading.key for reading in readings))
    return f"no seed has {keys} of all of these: {families}"
