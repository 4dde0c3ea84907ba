"""`farsighted plan`."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farsighted.api import check_model, estimate_prepared, prepare, refuse_launch
from farsighted.cli.console import as_duration, as_size, output_console
from farsighted.cli.options import (
    AllowCode,
    ExecutorName,
    Out,
    Overrides,
    Selector,
    Source,
    Workers,
    load,
    out_folder,
    worker_count,
)
from farsighted.core.values import Tokens
from farsighted.launch.work import Launch
from farsighted.protocol.outputs import refuse_output
from farsighted.store.layout import Layout


def plan_command(
    source: Source,
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = 0,
    executor: ExecutorName = "local",
    selector: Selector = None,
    allow_code_execution: AllowCode = False,
    show_example: Annotated[
        bool, typer.Option("--show-example", help="Print the first example of each stage, token by token, and stop.")
    ] = False,
) -> None:
    """Read everything, time a few rounds of each kind of cell, and print what an audit would cost."""
    launch = Launch(worker_count(workers), executor)
    refuse_launch(launch)
    config, folder = load(source, overrides, selector, allow_code_execution), out_folder(source, out)
    refuse_output(config, folder)
    prepared = prepare(config)
    console = output_console()
    if show_example:
        for stage in prepared.inputs.stages.values():
            _show(console, stage.name, stage.pool.tokens[0], prepared.inputs.decode)
        for note in prepared.notes:
            console.print(Text(f"Note: {note}"), soft_wrap=True)
        return
    missing = prepared.missing(Layout(folder))
    found = check_model(prepared) if missing else ()
    pools = Table("stage", "pool", "response tokens", "validation", "OOD sets", title=prepared.config.title)
    for stage in prepared.inputs.stages.values():
        shifted = ", ".join(f"{found.name} ({len(found.items)})" for found in stage.ood)
        numbers = (len(stage.pool), stage.pool.response_tokens, len(stage.validation.items))
        pools.add_row(stage.name, *(f"{number:,}" for number in numbers), shifted)
    console.print(pools)
    for line in prepared.training_lines:
        console.print(line, soft_wrap=True)
    for note in (*prepared.notes, *found):
        if note not in prepared.training_lines:
            console.print(f"Note: {note}", soft_wrap=True)
    done = len(prepared.cells) - len(missing)
    cost = estimate_prepared(prepared, folder, launch)
    console.print(f"{len(prepared.cells)} cells, {done} of them finished in {folder}; to run: {cost.cells}.")
    warmed = f", and {cost.warm_up_tokens:,} in warm-up runs" if cost.warm_up_tokens else ""
    console.print(
        f"Candidates: {cost.candidates:,}, with {cost.scored_tokens:,} response tokens; trained: "
        f"{cost.trained_tokens:,} response tokens{warmed}.",
        soft_wrap=True,
    )
    hands = f"{launch.workers} worker{'s' if launch.workers > 1 else ''}"
    console.print(
        f"About {as_duration(cost.seconds)} with {hands}, from timing a few rounds of each kind of cell on this "
        f"machine, and {as_size(cost.disk_bytes)} on disk.",
        soft_wrap=True,
    )


def _show(console: Console, stage: str, tokens: Tokens, decode: Callable[[Sequence[int]], str]) -> None:
    """Print an example as the model reads it, with what is trained on."""
    table = Table("token", "id", "text", "loss", title=Text(f"{stage}: {tokens.example.id}"))
    for place, token in enumerate(tokens.ids):
        trained = place >= tokens.prompt_length
        text = Text(repr(decode([token])), style="bold" if trained else "dim")
        table.add_row(str(place), str(token), text, "yes" if trained else "")
    console.print(table)
    console.print(f"{tokens.prompt_length} tokens of context, {tokens.response_length} with loss.")
