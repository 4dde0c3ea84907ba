"""`farsighted audit`."""

import shlex
import sys

from farsighted.api import prepare, refuse_launch, run_prepared
from farsighted.cli.console import error_console, output_console
from farsighted.cli.options import (
    AllowCode,
    ExecutorName,
    Out,
    Overrides,
    Selector,
    Source,
    TrackerNames,
    Workers,
    load,
    out_folder,
    worker_count,
)
from farsighted.cli.progress import GridProgress
from farsighted.launch.work import Launch
from farsighted.store.layout import Layout


def audit_command(
    source: Source,
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = 0,
    executor: ExecutorName = "local",
    tracker: TrackerNames = None,
    selector: Selector = None,
    allow_code_execution: AllowCode = False,
) -> None:
    """Run what is missing of an audit, and print where its report is."""
    launch = Launch(worker_count(workers), executor, tuple(tracker or ()))
    refuse_launch(launch)
    folder = out_folder(source, out)
    prepared = prepare(load(source, overrides, selector, allow_code_execution), folder)
    missing = prepared.missing(Layout(folder))
    labels = {cell.id: cell.title for cell in prepared.cells}
    command = shlex.join(["farsighted", *sys.argv[1:]])
    total = len(prepared.cells)
    with GridProgress(error_console(), labels, total, total - len(missing)) as progress:
        paths = run_prepared(prepared, folder, launch, progress, command)
    output_console().print(str(paths.scorecard), soft_wrap=True)
