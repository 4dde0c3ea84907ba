"""From an estimate to an answer: an inequality that holds, fails or stays undecided, and several of them together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from farsighted.metrics.intervals import interval
from farsighted.results.estimates import Estimate

Outcome = Literal["holds", "fails", "undecided"]

_ROUNDING: Final = 1e-9
"""How far an interval must lie beyond a bound: equal numbers that were added in another order are equal."""

_DIGITS: Final = {"points": 1, "×": 2, "Spearman": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One inequality `effect > bound`, or several that must all hold, with what the data say to it."""

    text: str
    """What is claimed, in words."""
    outcome: Outcome
    effect: float
    """Turned so that above `bound` is what the claim says; of several, the one that decides. NaN if not measured."""
    low: float
    high: float
    unit: str
    bound: float = 0.0
    seeds: int = 0
    why: str = ""
    """Why something could not be measured or is no evidence; empty if nothing is in the way."""
    parts: tuple["Finding", ...] = ()
    """The inequalities that must all hold; empty for a single one."""

    @property
    def number(self) -> str:
        """The effect with its interval, as text; a dash where it was not measured."""
        if math.isnan(self.effect):
            return "–"
        digits = _DIGITS.get(self.unit, 3)
        text = f"{self.effect:+.{digits}f}" if self.unit != "×" else f"{self.effect:.{digits}f}"
        text += "" if self.unit == "×" else " "
        if math.isnan(self.low):
            return f"{text}{self.unit}, no interval"
        return f"{text}{self.unit} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def singles(self) -> int:
        """How many inequalities this is made of."""
        return sum(part.singles for part in self.parts) if self.parts else 1

    def count(self, outcome: Outcome) -> int:
        """Return how many of the inequalities this is made of have an outcome."""
        if self.parts:
            return sum(part.count(outcome) for part in self.parts)
        return int(self.outcome == outcome)


def above(text: str, estimate: Estimate, unit: str, confidence: float = 0.95, bound: float = 0.0) -> Finding:
    """Return whether `estimate > bound`: holds if the whole interval lies above, fails if it lies below.

    Whatever lies on the bound is neither above nor below. What was not measured is undecided, with the reason.
    """
    found = interval(estimate.replicates_B, confidence)
    why = estimate.why or ("some resamples have no such number" if math.isnan(found.low) else "")
    low, high = (math.nan, math.nan) if why else (found.low, found.high)
    outcome: Outcome = "undecided"
    if low > bound + _ROUNDING:
        outcome = "holds"
    elif high < bound - _ROUNDING:
        outcome = "fails"
    return Finding(text, outcome, estimate.value, low, high, unit, bound, estimate.seeds, why)


def all_of(text: str, parts: Iterable[Finding]) -> Finding:
    """Return whether all parts hold: fails if one of them fails, undecided if none fails but one is undecided.

    Each part is judged at its own confidence. So `holds` is at least as sure as its weakest part, while `fails` is the
    less sure the more parts there are: each part of a true claim fails by chance in nominally 2.5 % of audits, and more
    often where seeds are few (`metrics.intervals`). The effect is that of the part that decides: the one furthest on
    the wrong side, in half-widths of its interval.

    Raises:
        ValueError: if there is no part.
    """
    parts = tuple(parts)
    if not parts:
        raise ValueError(f"A claim must have at least one part, but '{text}' has none.")
    decisive = min(parts, key=_rank)
    outcome: Outcome = "holds" if all(part.outcome == "holds" for part in parts) else "undecided"
    if any(part.outcome == "fails" for part in parts):
        outcome = "fails"
    why = "; ".join(dict.fromkeys(reason for part in parts if part.why for reason in part.why.split("; ")))
    return replace(decisive, text=text, outcome=outcome, why=why, parts=parts)


def not_run(text: str, what: str) -> Finding:
    """Return the finding of what this audit cannot say anything to."""
    return Finding(text, "undecided", math.nan, math.nan, math.nan, "", why=f"not run: {what}")


def decisive_single(finding: Finding) -> Finding:
    """Return the single inequality that decides a finding, and whose effect it shows."""
    return decisive_single(min(finding.parts, key=_rank)) if finding.parts else finding


def _rank(finding: Finding) -> tuple[int, float]:
    """Sorts from what decides against a claim to what says nothing: fails, undecided, holds, no interval."""
    single = decisive_single(finding)
    if math.isnan(single.low):
        return (4 if math.isnan(single.effect) else 3), 0.0
    half_width = max((single.high - single.low) / 2, _ROUNDING)
    return _ORDER.index(single.outcome), (single.effect - single.bound) / half_width


_ORDER: Final[tuple[Outcome, ...]] = ("fails", "undecided", "holds")
