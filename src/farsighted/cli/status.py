"""`farsighted status`."""

import json

from rich.table import Table

from farsighted.cli.console import output_console
from farsighted.cli.options import Folder
from farsighted.core.errors import StorageError
from farsighted.store.layout import Layout
from farsighted.store.progress import cell_statuses


def status_command(folder: Folder) -> None:
    """Print how many cells are done, under way, diverged, failed and missing."""
    layout = Layout(folder)
    if not layout.audit.is_file():
        raise StorageError(f"'{folder}' holds no audit: there is no {layout.audit.name}. Name the --out of an audit.")
    plan = json.loads(layout.audit.read_text())
    statuses = cell_statuses(layout, plan)
    console = output_console()
    table = Table("cell", "selector", "seed", "order", "budget", "adaptation", "status", title=plan["title"])
    for cell in plan["cells"]:
        row = (cell["id"], cell["selector"], cell["seed"], cell["order"], cell["budget"], cell["adaptation"])
        table.add_row(*(str(value) for value in row), statuses[cell["id"]])
    console.print(table)
    counts = {status: list(statuses.values()).count(status) for status in sorted(set(statuses.values()))}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), markup=False)
