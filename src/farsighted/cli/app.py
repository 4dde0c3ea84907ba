"""The application: one verb a file, and the one place where errors become messages and exit codes."""

import os
import sys

import typer

from farsighted.cli.advise import advise_command
from farsighted.cli.audit import audit_command
from farsighted.cli.console import error_console
from farsighted.cli.phase_map import phase_map_command
from farsighted.cli.plan import plan_command
from farsighted.cli.report import report_command
from farsighted.cli.reproduce import reproduce_command
from farsighted.cli.select import select_command
from farsighted.cli.selectors import selectors_command
from farsighted.cli.signals import signals_command
from farsighted.cli.status import status_command
from farsighted.cli.validate import validate_command
from farsighted.core.errors import FarsightedError, InterruptedRunError

app = typer.Typer(
    name="farsighted",
    help="Is my data selector short-sighted? Audits fine-tuning data selectors over many training stages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("audit", help="Run an audit: train with every selector through all stages, measure, report.")(audit_command)
app.command("plan", help="Say what an audit would do and cost, without doing it.")(plan_command)
app.command("validate", help="Check a configuration and its data.")(validate_command)
app.command("status", help="Say how far an audit is.")(status_command)
app.command("report", help="Write the report of an audit's folder again.")(report_command)
app.command("select", help="Select a subset of a data file with one selector.")(select_command)
app.command("selectors", help="List the selectors, or describe one.")(selectors_command)
app.command("signals", help="List what selectors can read of a candidate and its cost, or describe one.")(
    signals_command
)
app.command("reproduce", help="Measure a table, a figure or the claims of the paper in a controlled world.")(
    reproduce_command
)
app.command("phase-map", help="Measure where selectors are myopic, over worlds without a language model.")(
    phase_map_command
)
app.command("advise", help="Place an audit's pools on the phase map, and say what to expect there.")(advise_command)


def main() -> None:
    """Run the command line; an error that the user can mend is one sentence and an exit code."""
    # Nothing is fetched and nothing is told to anyone unless asked for.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()
    except FarsightedError as error:
        error_console().print(f"farsighted: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except SystemExit as ending:
        # Typer turns Ctrl-C into this code without a word.
        if ending.code == InterruptedRunError.exit_code:
            error_console().print("farsighted: Stopped.", style="red")
        raise
