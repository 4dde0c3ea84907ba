"""`farsighted report`."""

from farsighted.cli.console import output_console
from farsighted.cli.options import Folder
from farsighted.report.write import write_results


def report_command(folder: Folder) -> None:
    """Write results, scorecard, tables and figures again from the finished cells; no model is needed."""
    paths = write_results(folder)
    output_console().print(str(paths.scorecard), soft_wrap=True)
