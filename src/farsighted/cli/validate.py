"""`farsighted validate`."""

from farsighted.api import check_model, prepare
from farsighted.cli.console import output_console
from farsighted.cli.options import Overrides, Selector, Source, load


def validate_command(source: Source, overrides: Overrides = None, selector: Selector = None) -> None:
    """Check the configuration, the data and the model's files, and try own selectors out; nothing is trained."""
    prepared = prepare(load(source, overrides, selector))
    check_model(prepared)
    console = output_console()
    for note in prepared.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    stages = ", ".join(prepared.inputs.stages)
    console.print(f"Valid: {len(prepared.cells)} cells over the stages {stages}.", soft_wrap=True)
