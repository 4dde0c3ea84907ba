"""`python -m benchmarks`: what scoring and selecting cost on this machine."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from benchmarks.results import ON_REQUEST, PARTS, BenchSettings, Part, cells, markdown
from farsighted.cli.console import error_console, output_console
from farsighted.core.errors import ConfigError, FarsightedError
from farsighted.core.machine import core_count
from farsighted.core.names import did_you_mean
from farsighted.store import atomic

SCHEMA = 1


def command(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PART]...", help=f"Some of: {', '.join(PARTS)}. Default: all but audit."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: checks that everything runs.")] = False,
    repeats: Annotated[int, typer.Option(help="Turns that each contestant has.")] = 9,
    threads: Annotated[int, typer.Option(help="Threads. 0 = one a core.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where models run.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of random weights and texts.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for every figure and every time.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="File for the tables.")] = None,
) -> None:
    """Measure what scoring and selecting cost here, each figure beside what is possible and what is aimed at."""
    names = part_names(parts or ())
    for option, value, least in (("--repeats", repeats, 1), ("--threads", threads, 0), ("--seed", seed, 0)):
        if value < least:
            raise ConfigError(f"`{option}` must be at least {least}, but is {value}.")
    from benchmarks.parts import device_of, machine, run_parts

    settings = BenchSettings(quick, repeats, threads or core_count(), device_of(device), seed)
    facts = machine(settings)
    console = output_console()
    done: list[Part] = []
    for part in run_parts(names, settings):
        done.append(part)
        # Written after every part: what was measured is not lost when a later one is stopped.
        if json_file is not None:
            found = {"schema": SCHEMA, "quick": quick, "repeats": repeats, "seed": seed, "machine": facts}
            atomic.write_json(json_file, {**found, "parts": [one.as_json() for one in done]})
        if markdown_file is not None:
            atomic.write_text(markdown_file, markdown(done, facts))
        console.print(_table(part))
        for line in (part.setting, *part.notes):
            console.print(line, soft_wrap=True)


def part_names(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the parts to run, in their own order: those asked for, or all that do not take minutes.

    Raises:
        ConfigError: There is no such part.
    """
    for name in asked:
        if name not in PARTS:
            raise ConfigError(f"There is no part '{name}' of the benchmark. {did_you_mean(name, PARTS)}")
    return tuple(name for name in PARTS if (name in asked if asked else name not in ON_REQUEST))


def _table(part: Part) -> Table:
    table = Table(title=part.name, title_justify="left")
    for column in ("what", "measured", "bound", "at most", ""):
        table.add_column(column, justify="left" if column in ("what", "") else "right")
    for row in part.rows:
        what, measured, _, *rest = cells(row)
        table.add_row(what, measured, *rest)
    return table


def main() -> None:
    """Run the command; an error that the user can mend is one sentence and an exit code."""
    try:
        typer.run(command)
    except FarsightedError as error:
        error_console().print(f"benchmarks: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
