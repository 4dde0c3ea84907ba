"""`farsighted status`."""

from rich.table import Table

from farsighted.cli.console import output_console
from farsighted.cli.options import Folder
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from farsighted.store.status import cell_holders, cell_statuses


def status_command(folder: Folder) -> None:
    """Print how many cells are done, under way, diverged, failed and missing."""
    layout = Layout(folder)
    plan = read_plan(layout)
    statuses, holders = cell_statuses(layout, plan), cell_holders(layout, plan)
    console = output_console()
    # Nobody reads a column of nothing.
    held_by = ("held by",) if holders else ()
    columns = ("cell", "selector", "seed", "order", "budget", "adaptation", "status", *held_by)
    table = Table(*columns, title=plan["title"])
    for cell in plan["cells"]:
        row = (cell["id"], cell["selector"], cell["seed"], cell["order"], cell["budget"], cell["adaptation"])
        table.add_row(
            *(str(value) for value in row), statuses[cell["id"]], *(holders.get(cell["id"], "") for _ in held_by)
        )
    console.print(table)
    counts = {status: list(statuses.values()).count(status) for status in sorted(set(statuses.values()))}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()))
