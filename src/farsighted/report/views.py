"""The table of views: each is a pure function from what an audit has measured to the files of its part of the report.

A view of one's own is offered by an installed package under the entry points `farsighted.views`, or named as
`package.module:name`. A view computes no number itself: it is in the results, or comes from `results/over_seeds.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, cast

from farsighted.core.doors import Door
from farsighted.core.errors import ConfigError
from farsighted.report.joined import joined_scores, joined_selections
from farsighted.report.scorecard import scorecard
from farsighted.report.tables import tables
from farsighted.report.typesetting import WRITERS
from farsighted.store.layout import ARTIFACTS
from farsighted.store.reader import CellArtifacts
from farsighted.store.result_records import ResultsRecord
from farsighted.store.writer import table_bytes

DOOR: Final = Door("farsighted.views", "View", ConfigError)
"""How views of others are found."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a view may look at."""

    results: ResultsRecord
    """The value of results.json."""
    cells: Sequence[CellArtifacts]
    """The artifacts of the cells that have run, under the names that the plan has for them."""


View = Callable[[Seen], Mapping[str, bytes]]
"""From what is seen to files: path below the audit's folder, with `/`, to content."""


def asked_views(names: Sequence[str] | None) -> dict[str, View]:
    """Return views by name, in the order in which they are written: numbers before pictures, one's own last.

    `names`: names, or paths `package.module:name`; None = all that ship or are installed. A shipping name goes before
    an installed one.

    Raises:
        ConfigError: a name that there is not, or a path that cannot be loaded.
    """
    if names is not None:
        return {name: cast(View, DOOR.find(name, VIEWS)) for name in names}
    installed = {name: _installed(name) for name in sorted(DOOR.installed()) if name not in VIEWS}
    return {**VIEWS, **installed}


def checked_files(files: object, taken: Mapping[str, str]) -> dict[str, bytes]:
    """Return a view's files if they may be written; `taken`: path to the view that has written it.

    Raises:
        ConfigError: what the view gave is no mapping of paths to bytes, or a path leaves the folder, is another view's
            or is one of the artifacts that all views are made from.
    """
    if not isinstance(files, Mapping):
        raise ConfigError(f"It must return a mapping of paths to bytes, but returns {type(files).__name__}.")
    checked: dict[str, bytes] = {}
    for path, content in files.items():
        if not isinstance(path, str) or not isinstance(content, bytes):
            found = f"{type(path).__name__} to {type(content).__name__}"
            raise ConfigError(f"It must return a mapping of paths to bytes, but maps {found}.")
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or not place.parts:
            raise ConfigError(f"It must write below the audit's folder, but names '{path}'.")
        if place.parts[0] in ARTIFACTS:
            raise ConfigError(f"It must leave what the audit has measured alone, but names '{path}'.")
        clash = next((other for other in taken if _meet(place, PurePosixPath(other))), None)
        if clash is not None:
            raise ConfigError(
                f"It must write files of its own, but '{path}' meets '{clash}' of the view '{taken[clash]}'."
            )
        checked[str(place)] = content
    inside = [path for path in checked if any(PurePosixPath(path) in PurePosixPath(other).parents for other in checked)]
    if inside:
        raise ConfigError(f"It must name files, but '{inside[0]}' is the folder of another one.")
    return checked


def _meet(one: PurePosixPath, other: PurePosixPath) -> bool:
    """Whether two paths are the same, or one is the folder of the other."""
    return one == other or one in other.parents or other in one.parents


def _installed(name: str) -> View:
    """A view that is loaded when it is called: where loading fails, it fails like any view, and the others do not."""
    return lambda seen: cast(View, DOOR.find(name, {}))(seen)


def _scores(seen: Seen) -> dict[str, bytes]:
    return {"scores.parquet": table_bytes(joined_scores(seen.cells))}


def _selections(seen: Seen) -> dict[str, bytes]:
    return {"selections.parquet": table_bytes(joined_selections(seen.cells))}


def _tables(seen: Seen) -> dict[str, bytes]:
    return {
        f"tables/{name}.{suffix}": write(table).encode()
        for name, table in tables(seen.results).items()
        for suffix, write in WRITERS.items()
    }


def _scorecard(seen: Seen) -> dict[str, bytes]:
    return {"scorecard.md": scorecard(seen.results).encode()}


def _figures(seen: Seen) -> Mapping[str, bytes]:
    # Matplotlib takes half a second to import, and every command and worker would pay for it.
    from farsighted.report.figures import figures

    return figures(seen.results)


VIEWS: Final[Mapping[str, View]] = {
    "scores": _scores,
    "selections": _selections,
    "tables": _tables,
    "scorecard": _scorecard,
    "figures": _figures,
}
"""The views that ship, in the order in which they are written."""
