"""From differences to words, those of every report, at a point of the map and over a region of it.

An interval is the difference ± two standard errors; `now` is the difference of current scores to random selection,
`later` that of long-horizon scores, and the smallest effects that matter are those that audits have by default. Shape
letters: P points.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypedDict

import numpy as np

from farsighted.config.statistics import SmallestEffectConfig
from farsighted.core.verdicts import MEANINGS, VERDICTS, Verdict
from farsighted.metrics.verdicts import side_of, verdict_of
from farsighted.phase_map.design import AXES

WORDS: Final[tuple[Verdict, ...]] = tuple(word for word in VERDICTS if word != "no verdict")
"""What a point can be; where a cell diverged it is none of them, and is not counted."""
ERRORS: Final = 2.0
"""Standard errors on either side of a difference."""
_SMALLEST: Final = SmallestEffectConfig()
_PARTS: Final = ("low", "middle", "high")


def legend() -> str:
    """Return the words with their meanings, and what counts as a difference that matters."""
    meanings = "; ".join(f"{word}: {MEANINGS[word]}" for word in WORDS)
    return (
        f"{meanings}. Now: current score; later: long-horizon score. An interval wholly within ± {_SMALLEST.now:g} "
        f"points now or ± {_SMALLEST.later:g} later holds no difference that matters."
    )


class Differences(NamedTuple):
    """A selector's differences to random at the points of a map; NaN where a cell diverged."""

    now_P: np.ndarray
    """Current score, points."""
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
    """Return what a pair of differences with their standard errors amounts to.

    >>> verdict(3.0, 0.5, -0.04, 0.01), verdict(3.0, 0.5, -0.01, 0.01)
    ('myopic', 'undecided')
    """
    sides = (
        side_of(mean - ERRORS * error, mean + ERRORS * error, smallest)
        for mean, error, smallest in ((later, later_error, _SMALLEST.later), (now, now_error, _SMALLEST.now))
    )
    return verdict_of(*sides)


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
    counts: dict[Verdict, int]
    """Verdict to points that have it."""
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
        "counts": {word: counts[word] for word in WORDS},
        "now": now,
        "now_error": now_error,
        "later": later,
        "later_error": later_error,
        "verdict": None if None in means else verdict(*(value for value in means if value is not None)),
    }


def _mean_error(values_P: np.ndarray) -> tuple[float, float]:
    return float(values_P.mean()), float(values_P.std(ddof=1) / np.sqrt(len(values_P)))
