"""From differences to words: myopic, harmless, better or worse, at a point and over a region of the map.

Shape letters: P points. `now` is the difference of immediate gain to random selection, `later` that of the long-horizon
score; a difference counts where it exceeds two standard errors.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypedDict, get_args

import numpy as np

from farsighted.phase_map.design import AXES

Verdict = Literal["better", "harmless", "myopic", "worse"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
MEANINGS: Final[Mapping[Verdict, str]] = {
    "better": "better later",
    "harmless": "no difference later that exceeds noise",
    "myopic": "better now, worse later",
    "worse": "worse later without being better now",
}
ERRORS: Final = 2.0
"""Standard errors that a difference must exceed."""
_PARTS: Final = ("low", "middle", "high")


class Differences(NamedTuple):
    """A selector's differences to random at the points of a map; NaN where a cell diverged."""

    now_P: np.ndarray
    """Immediate gain, points of score."""
    now_error_P: np.ndarray
    """Standard error over items."""
    later_P: np.ndarray
    """Long-horizon score, 0..1."""
    later_error_P: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Points where both are numbers, (P,)."""
        known_P: np.ndarray = np.isfinite(self.now_P) & np.isfinite(self.later_P)
        return known_P

    def take(self, rows_P: np.ndarray) -> "Differences":
        """Return the differences at some points."""
        return Differences(*(values_P[rows_P] for values_P in self))


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the map: the lower, middle or upper third of one axis, or all of it."""

    axis: str | None
    part: str
    low: float
    high: float

    @property
    def title(self) -> str:
        """Return the region in words."""
        if self.axis is None:
            return "everywhere"
        axis = AXES[self.axis]
        return f"{axis.label} {self.low:.3g} to {self.high:.3g}{' %' if axis.unit == '%' else ''}"


def verdict(now: float, now_error: float, later: float, later_error: float) -> Verdict:
    """Return what a pair of differences amounts to.

    >>> verdict(3.0, 0.5, -0.04, 0.01), verdict(3.0, 0.5, -0.01, 0.01)
    ('myopic', 'harmless')
    """
    if later > ERRORS * later_error:
        return "better"
    if later < -ERRORS * later_error:
        return "myopic" if now > ERRORS * now_error else "worse"
    return "harmless"


def verdicts(found: Differences) -> list[Verdict]:
    """Return the verdict of every point where both differences are numbers."""
    rows = np.stack(found.take(found.known), axis=-1).tolist()
    return [verdict(*row) for row in rows]


def regions() -> Iterator[Region]:
    """Return the whole map, then the thirds of each axis."""
    yield Region(None, "all", 0.0, 0.0)
    for name, axis in AXES.items():
        edges = np.linspace(axis.low, axis.high, len(_PARTS) + 1)
        for part, low, high in zip(_PARTS, edges[:-1], edges[1:], strict=True):
            yield Region(name, part, float(low), float(high))


def inside(region: Region, parameters: Mapping[str, np.ndarray], points: int) -> np.ndarray:
    """Return which points lie in a region, (P,); a region has its lower end, and the last one its upper end too."""
    if region.axis is None:
        return np.ones(points, dtype=bool)
    values_P = parameters[region.axis]
    last = region.high >= AXES[region.axis].high
    inside_P: np.ndarray = (values_P >= region.low) & ((values_P < region.high) | last)
    return inside_P


class RegionNumbers(TypedDict):
    """What a selector is over the points of a region; null below two points."""

    points: int
    better: int
    """Points with this verdict."""
    harmless: int
    myopic: int
    worse: int
    now: float | None
    now_error: float | None
    """Standard error over points."""
    later: float | None
    later_error: float | None
    verdict: Verdict | None
    """That of the means."""


def region_row(found: Differences) -> RegionNumbers:
    """Return what a selector is over the points of a region: means, their standard errors over points, counts, verdict.

    The verdict is that of the means; how often single points have which is beside it. All None below two points.
    """
    known = found.take(found.known)
    counts = Counter(verdicts(found))
    enough = len(known.now_P) > 1
    now, now_error = _mean_error(known.now_P) if enough else (None, None)
    later, later_error = _mean_error(known.later_P) if enough else (None, None)
    means = (now, now_error, later, later_error)
    return {
        "points": len(known.now_P),
        "better": counts["better"],
        "harmless": counts["harmless"],
        "myopic": counts["myopic"],
        "worse": counts["worse"],
        "now": now,
        "now_error": now_error,
        "later": later,
        "later_error": later_error,
        "verdict": None if None in means else verdict(*(value for value in means if value is not None)),
    }


def _mean_error(values_P: np.ndarray) -> tuple[float, float]:
    return float(values_P.mean()), float(values_P.std(ddof=1) / np.sqrt(len(values_P)))
