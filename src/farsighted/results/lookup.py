"""Finding things in the value of results.json, and naming them."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from farsighted.store.records import GroupRecord
from farsighted.store.result_records import (
    CellEntry,
    MyopiaEntry,
    ResultsRecord,
    SummaryEntry,
    SummaryNumbers,
    VerdictEntry,
)


class GroupKey(NamedTuple):
    """What the cells of a group have in common."""

    order: str
    budget: str
    adaptation: str

    @classmethod
    def of(cls, cell: GroupRecord) -> "GroupKey":
        """Return the group of a planned cell, of a cell.json or of an entry of results.json."""
        return cls(cell["order"], cell["budget"], cell["adaptation"])

    def record(self) -> GroupRecord:
        """Return the group of an entry of results.json."""
        return {"order": self.order, "budget": self.budget, "adaptation": self.adaptation}


def group_keys(results: ResultsRecord) -> list[GroupKey]:
    """Return the groups of a results value, in the order of the plan."""
    return list(dict.fromkeys(GroupKey.of(entry) for entry in results["summary"]))


def summaries(results: ResultsRecord, group: GroupKey) -> list[SummaryEntry]:
    """Return the summary entries of one group."""
    return [entry for entry in results["summary"] if GroupKey.of(entry) == group]


def cells(results: ResultsRecord, group: GroupKey) -> list[CellEntry]:
    """Return the cell entries of one group."""
    return [cell for cell in results["cells"] if GroupKey.of(cell) == group]


def myopia_entry(results: ResultsRecord, group: GroupKey) -> MyopiaEntry | None:
    """Return the myopia gap of one group, or None where it could not be had."""
    return next((entry for entry in results["myopia"] if GroupKey.of(entry) == group), None)


def verdict_beside(entry: SummaryEntry, reference: str) -> VerdictEntry | None:
    """Return the verdict on a selector beside one reference, or None where it is not judged by that one."""
    return next((found for found in entry["verdicts"] if found["reference"] == reference), None)


def number_of(entry: SummaryEntry, key: str) -> SummaryNumbers:
    """Return a metric or a diagnostic of a summary entry: mean, sd, low, high, n."""
    return entry["metrics"][key] if key in entry["metrics"] else entry["diagnostics"][key]


def mean_or_nan(number: SummaryNumbers | None) -> float:
    """Return the mean of a number over seeds; NaN where there is none."""
    return math.nan if number is None or number["mean"] is None else number["mean"]


def title(group: GroupKey) -> str:
    """Return a group in words."""
    return f"order {group.order}, budget {group.budget}, {group.adaptation}"


def slug(*words: str) -> str:
    """Return words as a part of a file name.

    >>> slug("canonical", "25%", "lora")
    'canonical_25pct_lora'
    """
    return "_".join(re.sub(r"[^A-Za-z0-9.]+", "-", word.replace("%", "pct")).strip("-") for word in words)


def seed_note(entries: Sequence[SummaryEntry]) -> str:
    """Return the sentence that says over how many seeds the numbers are."""
    counts = sorted({len(entry["seeds"]) for entry in entries})
    if len(counts) == 1:
        return f"Mean ± sd over {counts[0]} seed{'' if counts[0] == 1 else 's'}."
    return f"Mean ± sd over {counts[0]} to {counts[-1]} seeds, by selector."
