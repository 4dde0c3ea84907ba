"""`farsighted selectors`."""

from typing import Annotated

import typer
from rich.table import Table

from farsighted.cli.console import output_console
from farsighted.selectors import describe, selector_names


def selectors_command(
    name: Annotated[str | None, typer.Argument(help="A selector, or package.module:Name.")] = None,
) -> None:
    """List the selectors, or describe one with its parameters."""
    console = output_console()
    if name is not None:
        console.print(str(describe(name)), soft_wrap=True)
        return
    table = Table("name", "family", "what it prefers", "reads")
    for known in selector_names():
        told = describe(known)
        table.add_row(told.name, told.family, told.summary, ", ".join(told.needs or ()))
    console.print(table)
