"""What a benchmark says: rows of ratios with a bound and a target beside each. Nothing here imports torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

PARTS: Final = ("signals", "nuclear", "gradients", "steps", "sets", "memory", "audit")
"""The parts of the benchmark, in the order they are run."""
ON_REQUEST: Final = frozenset({"audit"})
"""Parts that are run only where they are named: they take minutes."""


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """How the benchmark is run."""

    quick: bool = False
    """Small sizes: a check that everything runs, whose figures say little."""
    repeats: int = 9
    threads: int = 2
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured figure."""

    what: str
    value: float
    """Median over the repeats."""
    low: float
    """Lower quartile."""
    high: float
    """Upper quartile."""
    unit: str = ""
    """"" for a ratio."""
    bound: float | None = None
    """What is possible (definitions.md#cost)."""
    at_most: float | None = None
    """The target."""

    @property
    def verdict(self) -> str:
        """`ok`, `missed by x %`, or nothing where there is no target."""
        if self.at_most is None:
            return ""
        if self.value <= self.at_most:
            return "ok"
        return f"missed by {100 * (self.value / self.at_most - 1):.0f} %"


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one part."""

    name: str
    setting: str = ""
    """Sizes, in words."""
    rows: Sequence[Measurement] = ()
    seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Every time taken, by contestant."""
    notes: Sequence[str] = ()
    """What was not measured and why."""

    def as_json(self) -> dict[str, Any]:
        """Return the part as a JSON value."""
        rows = [
            {
                name: getattr(row, name)
                for name in ("what", "value", "low", "high", "unit", "bound", "at_most", "verdict")
            }
            for row in self.rows
        ]
        seconds = {name: list(taken) for name, taken in self.seconds.items()}
        return {
            "name": self.name,
            "setting": self.setting,
            "rows": rows,
            "seconds": seconds,
            "notes": list(self.notes),
        }


def spread_row(what: str, values: np.ndarray, **options: Any) -> Measurement:
    """Return the row of repeated measurements: median and quartiles.

    >>> spread_row("a ÷ b", np.array([1.0, 2.0, 4.0])).value
    2.0
    """
    low, middle, high = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return Measurement(what, middle, low, high, **options)


def exact_row(what: str, value: float, **options: Any) -> Measurement:
    """Return the row of a figure that does not vary: an error, a count, a peak of memory."""
    return Measurement(what, value, value, value, **options)


def number(value: float, unit: str = "") -> str:
    """Return a figure for people.

    >>> number(1.23456), number(2.5e-7), number(40, "s")
    ('1.235', '2.5e-07', '40 s')
    """
    text = f"{value:.4g}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.1e}"
    return f"{text} {unit}".strip()


def markdown(parts: Sequence[Part], machine: Mapping[str, Any]) -> str:
    """Return all parts as one page of tables."""
    lines = ["Machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()) + ".", ""]
    for part in parts:
        lines += [f"## {part.name}", "", *([part.setting, ""] if part.setting else [])]
        lines += ["| what | measured | quartiles | bound | at most | |", "|---|---:|---:|---:|---:|---|"]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in part.rows]
        lines += ["", *(f"{note}\n" for note in part.notes)]
    return "\n".join(lines).rstrip() + "\n"


def cells(row: Measurement) -> tuple[str, ...]:
    """Return a row's columns: what, measured, quartiles, bound, target, verdict."""
    spread = "" if row.low == row.high else f"{number(row.low)} to {number(row.high)}"
    bound, target = ("" if value is None else number(value, row.unit) for value in (row.bound, row.at_most))
    return row.what, number(row.value, row.unit), spread, bound, target, row.verdict
