"""The sentence behind a verdict, with the numbers that decided it."""

from collections.abc import Sequence
from typing import Final

from farsighted.core.verdicts import Side
from farsighted.results.groups import SmallestEffect
from farsighted.store.result_records import ComparisonNumbers


def sentence(
    reference: str, later: ComparisonNumbers, now: ComparisonNumbers, smallest: SmallestEffect, seeds: Sequence[int]
) -> str:
    """Return what two differences to a reference show, by their corrected intervals, and over which seeds."""
    told = f"{_LATER[later['side']].format(reference=reference, smallest=smallest.later)}{_numbers(later, '.3f', '')}"
    gain = f"{_now(now, later['side'], smallest.now)}{_numbers(now, '.1f', ' points')}"
    wide = _wide(now, smallest.now)
    return f"{told}, and {gain}.{wide} {_basis(seeds)}"


_LATER: Final[dict[Side, str]] = {
    "above": "Its long-horizon score is above that of '{reference}'",
    "small": "Its long-horizon score differs from that of '{reference}' by less than {smallest:g}",
    "below": "Its long-horizon score is below that of '{reference}'",
    "open": "Its long-horizon score cannot be told from that of '{reference}'",
}


def _now(now: ComparisonNumbers, later: Side, smallest: float) -> str:
    if now["side"] == "small":
        return f"it differs by less than {smallest:g} points now"
    if now["side"] == "below" and later == "above":
        return "this has a price: it loses now"
    return {"above": "it gains now", "below": "it loses now", "open": "there is no clear difference now"}[now["side"]]


def _numbers(found: ComparisonNumbers, form: str, unit: str) -> str:
    mean, low, high = (
        format(value, "+" + form) for value in (found["mean"], found["corrected"]["low"], found["corrected"]["high"])
    )
    return f" ({mean}{unit}, interval {low} to {high})"


def _wide(now: ComparisonNumbers, smallest: float) -> str:
    """Say how large a loss now may hide where none is established: "not below" is then a weak statement."""
    low = now["corrected"]["low"]
    if now["side"] != "open" or low >= -smallest:
        return ""
    return f" The interval now is wide: a loss of up to {-low:.1f} points is not excluded."


def _basis(seeds: Sequence[int]) -> str:
    listed = f"Seeds: {', '.join(map(str, seeds))}."
    return listed if len(seeds) > 2 else f"{listed} Provisional: fewer than three seeds."
