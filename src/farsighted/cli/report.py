"""`farsighted report`."""

from typing import Annotated

import typer

from farsighted.cli.console import output_console
from farsighted.cli.options import Folder
from farsighted.report.views import VIEWS
from farsighted.report.write import write_results

Views = Annotated[
    list[str] | None,
    typer.Option(
        "--view",
        help=f"A view to write: {', '.join(VIEWS)}, an installed one, or package.module:name. May be repeated. "
        "Default: all.",
    ),
]


def report_command(folder: Folder, view: Views = None) -> None:
    """Write results and views (scorecard, tables, figures) again from the finished cells; no model is needed."""
    paths = write_results(folder, view or None)
    written = [path for name in view for path in paths.files.get(name, ())] if view else [paths.scorecard]
    for path in written:
        output_console().print(str(path), soft_wrap=True)
    paths.check()
