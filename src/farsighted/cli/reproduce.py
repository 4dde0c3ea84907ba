"""`farsighted reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from farsighted.api import CellsFailedError, Prepared
from farsighted.cli.console import error_console, output_console
from farsighted.cli.options import Out, Overrides, Workers, worker_count
from farsighted.cli.progress import GridProgress
from farsighted.core.errors import ConfigError
from farsighted.core.names import did_you_mean
from farsighted.paper.page import write_page
from farsighted.paper.reproduce import run_target
from farsighted.paper.worlds import TARGETS, WORLDS, Target
from farsighted.store.layout import Layout

TargetName = Annotated[str, typer.Argument(metavar="|".join(TARGETS), help="What of the paper to reproduce.")]
WorldName = Annotated[
    str, typer.Option("--world", help=f"Where: {', '.join(WORLDS)}, or the folder of an audit, which is only read.")
]


def reproduce_command(
    target: TargetName,
    overrides: Overrides = None,
    world: WorldName = "quadratic",
    out: Out = None,
    workers: Workers = 0,
) -> None:
    """Run what a table, a figure or the claims of the paper need, and print where the page beside the paper's is."""
    wanted = _target(target)
    if world not in WORLDS:
        folder = _audit(world)
        page = write_page(wanted, folder, out or folder / "reproduction")
    else:
        root = out or Path("runs") / f"reproduce-{world}"
        count = worker_count(workers)
        failed = run_target(wanted, WORLDS[world], root, count, _progress, overrides or ())
        page = write_page(wanted, root, root / "reproduction")
        if failed:
            raise CellsFailedError(
                f"{len(failed)} cells failed, the first with: {failed[0]} The page is {page}; the same command tries "
                "again."
            )
    output_console().print(str(page), soft_wrap=True)


def _progress(prepared: Prepared, done: int) -> GridProgress:
    labels = {cell.id: cell.title for cell in prepared.cells}
    return GridProgress(error_console(), labels, len(prepared.cells), done)


def _target(name: str) -> Target:
    for target in TARGETS:
        if target == name:
            return target
    raise ConfigError(f"There is no '{name}' to reproduce. {did_you_mean(name, TARGETS)}")


def _audit(world: str) -> Path:
    folder = Path(world)
    if not Layout(folder).audit.is_file():
        raise ConfigError(
            f"`--world` must be {', '.join(WORLDS)} or the folder of an audit, but '{world}' is neither. "
            f"{did_you_mean(world, tuple(WORLDS))}"
        )
    return folder
