"""`farsighted validate`."""

from farsighted.api import prepare, try_model
from farsighted.cli.console import output_console
from farsighted.cli.options import Overrides, Selector, Source, load


def validate_command(source: Source, overrides: Overrides = None, selector: Selector = None) -> None:
    """Check the configuration and the data, and try the model and own selectors out; nothing is trained."""
    prepared = prepare(load(source, overrides, selector))
    found = try_model(prepared)
    console = output_console()
    for note in (*prepared.notes, *found):
        console.print(f"Note: {note}", soft_wrap=True)
    stages = ", ".join(prepared.inputs.stages)
    console.print(f"Valid: {len(prepared.cells)} cells over the stages {stages}.", soft_wrap=True)
