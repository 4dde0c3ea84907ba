"""The map itself: its points, what each selector did there, and the rules fitted to that.

Shape letters: P points, C coordinates.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import with_config
from typing_extensions import TypedDict

from farsighted.core.errors import ConfigError, StorageError
from farsighted.metrics.correlation import spearman
from farsighted.phase_map.design import AXES, LATER, NOW, REFERENCE, SELECTORS, DesignKey
from farsighted.phase_map.records import PointRecord
from farsighted.phase_map.rules import COORDINATES, Rule, RuleRecord, fit_rule, rule_json, rule_of
from farsighted.phase_map.verdicts import Differences, RegionNumbers, inside, region_row, regions
from farsighted.store.record_text import RecordFile, record_of
from farsighted.store.records import RECORD_RULES

SCHEMA: Final = 2
MEASURED: Final = ("alignment", "embedding_alignment", "redundancy", "noise", "budget", "rank")
ESTIMATED: Final[Mapping[str, str]] = {
    "alignment": "alignment",
    "embedding_alignment": "alignment",
    "redundancy": "redundancy",
    "noise": "noise",
}
"""Coordinates that are estimates, and the parameter of the world that each is to recover."""
JUDGED: Final = tuple(name for name in SELECTORS if name != REFERENCE)
_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class PhaseMap:
    """Points and rules."""

    design: DesignKey
    """What decides its records (`design.identity`)."""
    parameters: Mapping[str, np.ndarray]
    """Axis to (P,)."""
    measured: Mapping[str, np.ndarray]
    """Coordinate to (P,); NaN where it could not be measured."""
    differences: Mapping[str, Differences]
    """By selector."""
    now: Mapping[str, Rule]
    later: Mapping[str, Rule]

    @property
    def points(self) -> int:
        """P."""
        return len(self.parameters["alignment"])

    @property
    def places(self) -> np.ndarray:
        """The points' measured coordinates, (P, C)."""
        return np.stack([self.measured[name] for name in COORDINATES], axis=-1)


def map_of_records(records: Iterable[PointRecord], design: DesignKey) -> PhaseMap:
    """Return the map of records, with rules fitted; raises `DataError` for less than 20 points."""
    ordered = sorted(records, key=lambda record: record["point"])
    measured = {name: _column(record["measured"][name] for record in ordered) for name in MEASURED}
    parameters = {name: _column(record["parameters"][name] for record in ordered) for name in AXES}
    differences = {}
    for selector in JUDGED:
        pairs = [(record["differences"][selector], record["standard_errors"][selector]) for record in ordered]
        columns = [_column(part[key] for part in side) for key in (NOW, LATER) for side in zip(*pairs, strict=True)]
        differences[selector] = Differences(*columns)
    place_PC = np.stack([measured[name] for name in COORDINATES], axis=-1)
    now = {name: fit_rule(place_PC, found.now_P) for name, found in differences.items()}
    later = {name: fit_rule(place_PC, found.later_P) for name, found in differences.items()}
    return PhaseMap(design, parameters, measured, differences, now, later)


def recovery(phase_map: PhaseMap) -> dict[str, float]:
    """Return how well each estimate recovers the true parameter: Spearman's rho over the points, -1..1."""
    found = {}
    for name, parameter in ESTIMATED.items():
        known_P = np.isfinite(phase_map.measured[name])
        pair = (phase_map.measured[name][known_P], phase_map.parameters[parameter][known_P])
        found[name] = float(spearman(*pair)) if known_P.sum() > 1 else float("nan")
    return found


class RegionRow(RegionNumbers):
    """A selector in a region."""

    selector: str
    axis: str | None
    """Null for all of the map."""
    part: str
    region: str
    """In words."""


def region_rows(phase_map: PhaseMap) -> list[RegionRow]:
    """Return every selector in every region: `region_row`, with selector, axis, part and title."""
    rows: list[RegionRow] = []
    for selector, found in phase_map.differences.items():
        for region in regions():
            inside_P = inside(region, phase_map.parameters, phase_map.points)
            rows.append(
                {
                    "selector": selector,
                    "axis": region.axis,
                    "part": region.part,
                    "region": region.title,
                    **region_row(found.take(inside_P)),
                }
            )
    return rows


def map_json(phase_map: PhaseMap, command: str) -> str:
    """Return the text of map.json; numbers of points have 5 significant digits."""
    columns: dict[str, np.ndarray] = {f"parameters.{name}": values for name, values in phase_map.parameters.items()}
    columns |= {f"measured.{name}": values for name, values in phase_map.measured.items()}
    for selector, found in phase_map.differences.items():
        columns |= {f"{selector}.{name}": values for name, values in found._asdict().items()}
    table = np.stack(list(columns.values()), axis=-1).tolist()
    value = {
        "schema": SCHEMA,
        "command": command,
        "design": phase_map.design,
        "recovery": {name: _short(rho) for name, rho in recovery(phase_map).items()},
        "rules": {
            name: {"now": rule_json(phase_map.now[name], _DIGITS), "later": rule_json(phase_map.later[name], _DIGITS)}
            for name in phase_map.differences
        },
        "regions": [
            {key: _short(cell) if isinstance(cell, float) else cell for key, cell in row.items()}
            for row in region_rows(phase_map)
        ],
        "columns": list(columns),
        "points": [[_short(cell) for cell in row] for row in table],
    }
    return json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n"


def map_of_json(text: str, where: str) -> PhaseMap:
    """Return the map of a map.json; raises `StorageError` where it is none of this version."""
    value = record_of(_MAP, text, Path(where))
    column = {name: _column(row[place] for row in value["points"]) for place, name in enumerate(value["columns"])}
    try:
        return PhaseMap(
            value["design"],
            {name: column[f"parameters.{name}"] for name in AXES},
            {name: column[f"measured.{name}"] for name in MEASURED},
            {
                name: Differences(*(column[f"{name}.{field}"] for field in Differences._fields))
                for name in value["rules"]
            },
            {name: rule_of(rules["now"]) for name, rules in value["rules"].items()},
            {name: rule_of(rules["later"]) for name, rules in value["rules"].items()},
        )
    except KeyError as error:
        raise StorageError(
            f"'{where}' must have a column {error} among its `columns`, but has not: {_MAP.mend}"
        ) from error


class RulesRecord(TypedDict):
    """The two rules of a selector."""

    now: RuleRecord
    later: RuleRecord


@with_config(RECORD_RULES)
class MapRecord(TypedDict):
    """map.json, as far as it is read again."""

    schema: Literal[2]
    design: DesignKey
    rules: dict[str, RulesRecord]
    columns: list[str]
    points: list[list[float | None]]
    """One row a point, one number a column."""


_MAP: Final = RecordFile("map.json", MapRecord, "make one with `farsighted phase-map --out DIR`.", schema=SCHEMA)


def load_map(path: Path | None) -> PhaseMap:
    """Return the map of a file, or the one that ships with the package; raises `ConfigError` where there is none."""
    shipped = resources.files("farsighted") / "assets" / "phase" / "map.json"
    if path is None and not shipped.is_file():
        raise ConfigError(
            "Advice needs a phase map, but none ships with this version. Make one with `farsighted phase-map --out "
            "DIR` (minutes on two cores) and give it with --map DIR/map.json."
        )
    try:
        text = shipped.read_text(encoding="utf-8") if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"The phase map '{path}' cannot be read ({error}). Name the map.json that `farsighted phase-map` wrote."
        ) from error
    return map_of_json(text, str(path or shipped))


def _column(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


def _short(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
