"""`farsighted advise`."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from farsighted.cli.console import output_console
from farsighted.cli.options import Overrides, load
from farsighted.core.errors import ConfigError
from farsighted.phase_map.advice import CAVEAT, COVERAGE, Advice, Foretold, advise
from farsighted.phase_map.map import PhaseMap, load_map, recovery
from farsighted.phase_map.page import rule_words
from farsighted.phase_map.places import Place, is_audit, places_of_config, places_of_folder
from farsighted.phase_map.rules import COORDINATES
from farsighted.phase_map.verdicts import WORDS, legend


def advise_command(
    source: Annotated[str, typer.Argument(metavar="DIR|CONFIG", help="An audit's folder, a preset or a YAML file.")],
    overrides: Overrides = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="The map.json of `farsighted phase-map`. Default: the one shipped.")
    ] = None,
) -> None:
    """Place an audit's pools on the map of quadratic worlds, and say what to expect of each selector there."""
    # Before any work on pools: without a map it would be in vain.
    phase_map = load_map(map_file)
    if is_audit(source):
        if overrides:
            raise ConfigError("An audit's folder is taken as it is: give its configuration to override settings.")
        places = places_of_folder(Path(source))
    else:
        places = places_of_config(load(source, overrides))
    console = output_console()
    for place in places:
        advice = advise(phase_map, place.coordinates)
        console.print(_place_table(place, phase_map))
        for line in _sureness(advice, place, phase_map):
            console.print(line, soft_wrap=True)
        console.print(_selector_table(advice))
        for line in _rules(advice):
            console.print(line, soft_wrap=True)
    console.print(_legend(), soft_wrap=True)
    console.print(CAVEAT, soft_wrap=True)


def _place_table(place: Place, phase_map: PhaseMap) -> Table:
    table = Table("coordinate", "here", "on the map", "estimate's rank correlation", title=place.title)
    found, shown = recovery(phase_map), {**place.coordinates, "embedding_alignment": place.embedding_alignment}
    for name in (*COORDINATES, "embedding_alignment"):
        known = [value for value in phase_map.measured[name].tolist() if not math.isnan(value)]
        span = f"{min(known):.2f} to {max(known):.2f}"
        sure = f"{found[name]:.2f}" if name in found else "known"
        here = "unknown" if math.isnan(shown[name]) else f"{shown[name]:.3f}"
        table.add_row(name.replace("_", " "), here, span, sure)
    return table


def _sureness(advice: Advice, place: Place, phase_map: PhaseMap) -> list[str]:
    lines = list(place.why_unknown.values())
    lines.append(
        f"The nearest of the map's {phase_map.points} worlds is {advice.distance:.3f} away (each axis counted as 1 "
        f"long); 95 % of the worlds have another within {advice.usual:.3f}."
    )
    if advice.outside:
        lines.append(f"Beyond the map: {', '.join(advice.outside)}.")
    if advice.extrapolates:
        lines.append("The map was not measured there: what follows extrapolates, and its intervals are too narrow.")
    return lines


def _selector_table(advice: Advice) -> Table:
    table = Table("selector", "nearby", "later", "now", box=None, pad_edge=False)
    for name, found in advice.selectors.items():
        nearby = f"{found.likeliest} {found.counts[found.likeliest]}/{sum(found.counts.values())}"
        table.add_row(name, nearby, _foretold(found.later, 3), _foretold(found.now, 1))
    return table


def _foretold(found: Foretold, digits: int) -> str:
    return f"{found.value:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def _rules(advice: Advice) -> list[str]:
    unsettled = [name for name, found in advice.selectors.items() if not found.settled]
    lines = []
    for name, found in advice.selectors.items():
        counts = ", ".join(f"{found.counts[word]} {word}" for word in WORDS if found.counts[word])
        errors = f"error {found.rule.error:.3f}, trivial {found.rule.trivial_error:.3f}"
        lines.append(f"{name}: nearby {counts}. Later: {rule_words(found.rule)} ({errors}).")
    if unsettled:
        lines.append(f"The interval of the long-horizon difference holds 0 for: {', '.join(unsettled)}.")
    return lines


def _legend() -> str:
    return (
        f"Differences to random selection, with {100 * COVERAGE:.0f} % intervals from the residuals of the nearest "
        "worlds: later = long-horizon score (0 to 1), now = current score (points). Nearby = what most of "
        f"the nearest worlds are, and how many: {legend()} Error: of the rule for `later`, cross-validated, "
        "beside that of the mean."
    )
