"""The inequalities that claims are made of: one family of selectors against others, on one number."""

from collections.abc import Sequence
from typing import Literal

from farsighted.core.names import FAMILIES
from farsighted.paper.evidence import Evidence
from farsighted.paper.findings import Finding, above, all_of
from farsighted.results.lookup import GroupKey
from farsighted.results.metrics import all_rows

Direction = Literal["ahead of", "behind", "above", "below"]
"""The first two heed which way of a metric is better, the other two compare numbers."""


def compare(
    evidence: Evidence,
    key: str,
    first: tuple[str, Direction],
    others: Sequence[str],
    group: GroupKey | None = None,
) -> Finding:
    """Return whether one family lies on one side of each of some others, by paired differences one by one.

    `first`: the family and its side, such as `("lhas", "ahead of")`.
    """
    row = all_rows()[key]
    name, direction = first
    better = -1.0 if row.column.better == "lower" else 1.0
    sign = {"ahead of": better, "behind": -better, "above": 1.0, "below": -1.0}[direction]
    where = _where(row.column.label, evidence, group)
    singles = []
    for other in others:
        own, rival = evidence.of(key, name, other, group=group)
        singles.append(
            above(f"{name} {direction} {other} {where}", (own - rival) * sign, row.unit, evidence.confidence)
        )
    if len(singles) == 1:
        return singles[0]
    rivals = "all others" if len(others) == len(FAMILIES) - 1 else ", ".join(others)
    return all_of(f"{name} {direction} {rivals} {where}", singles)


def _where(label: str, evidence: Evidence, group: GroupKey | None) -> str:
    """On which column, and in which group where it is not the main one; `OOD` keeps its capitals."""
    shown = label if label[1].isupper() else label[0].lower() + label[1:]
    return f"on {shown}" if group is None else f"on {shown} ({evidence.differing(group)})"


def all_but(*named: str) -> tuple[str, ...]:
    """Return the other families."""
    return tuple(family for family in FAMILIES if family not in named)
