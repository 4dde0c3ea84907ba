"""The place of an audit's pools on the map, what to expect of each selector there, and how sure that is.

Shape letters: P points of the map, C coordinates, K nearest points.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from farsighted.core.errors import DataError
from farsighted.core.verdicts import Verdict
from farsighted.phase_map.map import PhaseMap
from farsighted.phase_map.rules import COORDINATES, Rule, predict
from farsighted.phase_map.verdicts import verdicts

NEIGHBOURS: Final = 25
"""Nearest points of the map that are asked, but at most a quarter of all."""
_ROUNDED: Final = 1e-5
"""A map holds five digits: a place at its border is not beyond it."""
COVERAGE: Final = 0.9
"""Share of the neighbours' residuals that an interval holds."""
CAVEAT: Final = (
    "The map is of the quadratic world, not of a language model: it says what to look at first and proves nothing. "
    "An audit of these pools does."
)


class Foretold(NamedTuple):
    """A difference to random as the map has it."""

    value: float
    low: float
    high: float
    """Ends of the interval: the value plus the 5 % and the 95 % quantile of the nearest points' residuals."""


@dataclass(frozen=True, slots=True)
class SelectorAdvice:
    """What the map foretells of one selector."""

    now: Foretold
    """Current score, points."""
    later: Foretold
    """Long-horizon score, 0..1."""
    counts: Mapping[Verdict, int]
    """Verdicts of the nearest points."""
    rule: Rule
    """The rule of `later`."""

    @property
    def likeliest(self) -> Verdict:
        """The verdict that most of the nearest points have."""
        return max(self.counts, key=lambda name: self.counts[name])

    @property
    def settled(self) -> bool:
        """Whether the interval of the long-horizon difference excludes 0."""
        return self.later.low > 0 or self.later.high < 0


@dataclass(frozen=True, slots=True)
class Advice:
    """All that the map says of one place."""

    place: Mapping[str, float]
    """The coordinates asked about; NaN = unknown."""
    distance: float
    """To the nearest point of the map, root mean square over known coordinates, each in units of the map's range."""
    usual: float
    """What 95 % of the map's own points have to their nearest one, at most."""
    outside: tuple[str, ...]
    """Coordinates beyond the map's range."""
    unknown: tuple[str, ...]
    neighbours: int
    selectors: Mapping[str, SelectorAdvice]

    @property
    def extrapolates(self) -> bool:
        """Whether the map was not measured there."""
        return bool(self.outside) or self.distance > self.usual


def advise(phase_map: PhaseMap, place: Mapping[str, float]) -> Advice:
    """Return what the map says of a place.

    A rule that asks for an unknown coordinate is averaged over the values that the map's points have there.

    Args:
        phase_map: The map.
        place: Every one of `rules.COORDINATES`, 0..1; NaN = unknown.

    Raises:
        DataError: no coordinate is known.
    """
    place_C = np.array([place[name] for name in COORDINATES], dtype=np.float64)
    known_C = np.isfinite(place_C)
    if not known_C.any():
        raise DataError(
            f"A place on the map needs at least one of {', '.join(COORDINATES)}, but none could be measured."
        )
    map_PC = phase_map.places[np.isfinite(phase_map.places).all(axis=1)]
    low_C, high_C = map_PC.min(axis=0), map_PC.max(axis=0)
    scale_C = np.where(high_C > low_C, high_C - low_C, 1.0)
    distance_P = _distance((phase_map.places - place_C) / scale_C, known_C)
    count = max(1, min(NEIGHBOURS, phase_map.points // 4))
    near_K = np.argsort(distance_P, kind="stable")[:count]
    beyond_C = known_C & ((place_C < low_C - _ROUNDED) | (place_C > high_C + _ROUNDED))
    asked_PC = np.where(known_C, place_C, map_PC)
    return Advice(
        place=dict(zip(COORDINATES, place_C.tolist(), strict=True)),
        distance=float(distance_P[near_K[0]]),
        usual=_usual(map_PC / scale_C, known_C),
        outside=tuple(name for name, beyond in zip(COORDINATES, beyond_C, strict=True) if beyond),
        unknown=tuple(name for name, known in zip(COORDINATES, known_C, strict=True) if not known),
        neighbours=count,
        selectors={name: _selector(phase_map, name, asked_PC, near_K) for name in phase_map.differences},
    )


def _selector(phase_map: PhaseMap, name: str, asked_PC: np.ndarray, near_K: np.ndarray) -> SelectorAdvice:
    found = Counter(verdicts(phase_map.differences[name].take(near_K)))
    now, later = phase_map.now[name], phase_map.later[name]
    return SelectorAdvice(_foretold(now, asked_PC, near_K), _foretold(later, asked_PC, near_K), found, later)


def _foretold(rule: Rule, asked_PC: np.ndarray, near_K: np.ndarray) -> Foretold:
    value = float(predict(rule.form, asked_PC).mean())
    residuals = rule.residuals_P[near_K]
    residuals = residuals[np.isfinite(residuals)]
    if len(residuals) == 0:
        residuals = rule.residuals_P[np.isfinite(rule.residuals_P)]
    ends = np.quantile(residuals, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Foretold(value, value + float(ends[0]), value + float(ends[1]))


def _distance(gap_PC: np.ndarray, known_C: np.ndarray) -> np.ndarray:
    """Root mean square over the known coordinates; a point of the map that lacks one is infinitely far."""
    distance_P = np.sqrt((gap_PC[:, known_C] ** 2).mean(axis=1))
    return np.where(np.isfinite(distance_P), distance_P, np.inf)


def _usual(unit_PC: np.ndarray, known_C: np.ndarray) -> float:
    """Return the 95 % quantile of the distance of the map's points to their nearest other one."""
    nearest = []
    for row, place_C in enumerate(unit_PC):
        others_PC = np.delete(unit_PC, row, axis=0)
        nearest.append(float(_distance(others_PC - place_C, known_C).min()))
    return float(np.quantile(nearest, 0.95))
