"""A column of a report: key, label, which way is better, how many digits; and the columns that count what a cell cost.

The columns of metrics and diagnostics stand in their tables (`results.metrics`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a report."""

    key: str
    """Name in results.json."""
    label: str
    """Heading for people."""
    better: Literal["higher", "lower"] | None
    """None where neither end is an aim in itself; such a column has no arrow and no best."""
    digits: int
    """Digits after the point."""

    @property
    def arrow(self) -> str:
        """`↑` where higher is better, `↓` where lower is, else nothing."""
        return {"higher": "↑", "lower": "↓", None: ""}[self.better]


COSTS: Final[Mapping[str, Column]] = {
    column.key: column
    for column in (
        Column("trained_tokens", "Trained tokens", None, 0),
        Column("scored_tokens", "Scored tokens", None, 0),
        Column("warm_up_tokens", "Warm-up tokens", None, 0),
        Column("scoring_seconds", "Scoring s", None, 1),
        Column("training_seconds", "Training s", None, 1),
        Column("evaluation_seconds", "Evaluation s", None, 1),
        Column("probe_seconds", "Probe s", None, 1),
        Column("probe_tokens", "Probe tokens", None, 0),
    )
}
"""What a cell cost."""

STABILITY: Final = ("non_finite", "loss_spikes", "grad_norm_spikes")
"""Counts of the first level of the scorecard: training stability."""
