"""`farsighted signals`."""

from typing import Annotated

import typer
from rich.table import Table

from farsighted.cli.console import output_console
from farsighted.signals.registry import COST_IN_WORDS, Signal, signal_named, signal_names


def signals_command(
    name: Annotated[str | None, typer.Argument(help="A signal, or package.module:provider.")] = None,
) -> None:
    """List what selectors can read of a candidate, with what it costs, or describe one signal."""
    console = output_console()
    if name is not None:
        console.print(_described(signal_named(name)), soft_wrap=True, markup=False)
        return
    table = Table("name", "shape", "passes", "needs", "what it is")
    for row in map(signal_named, signal_names()):
        needs = ", ".join(sorted(row.needs)) if row.is_own else ""
        table.add_row(row.name, _shape(row), COST_IN_WORDS[row.cost], needs, row.summary)
    console.print(table)


def _described(row: Signal) -> str:
    lines = [
        f"{row.name} {_shape(row)}, cost '{row.cost}': {COST_IN_WORDS[row.cost]}.",
        row.text or "It has no description: write one under the `def` of its provider.",
    ]
    if row.is_own:
        provider = row.provider
        lines.append(f"Needs: {', '.join(sorted(row.needs)) or 'the examples alone'}.")
        lines.append(
            f"Provider: {provider.__module__}:{getattr(provider, '__qualname__', '?')}, version {row.version}."
        )
    if row.is_context:
        lines.append("It belongs to the run and not to a candidate.")
    return "\n".join(lines)


def _shape(row: Signal) -> str:
    return f"({', '.join(map(str, row.shape))}{',' if len(row.shape) == 1 else ''})"
