"""`farsighted phase-map`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from farsighted.cli.console import as_duration, error_console, output_console
from farsighted.cli.options import ExecutorName, worker_count
from farsighted.core.errors import ConfigError


def phase_map_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of records, map, figures and page.")],
    points: Annotated[int | None, typer.Option(help="Worlds to measure, seven cells each. Default: 288.")] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", help="Worlds at the same time. 0 = one a core.")] = 0,
    executor: ExecutorName = "local",
    seed: Annotated[int, typer.Option(help="Seed of the design.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Small worlds: checks that everything runs.")] = False,
) -> None:
    """Measure what is missing of a map of the quadratic world, fit it, and print where its page is."""
    from farsighted.launch.work import Launch
    from farsighted.phase_map.design import FULL, POINTS, QUICK
    from farsighted.phase_map.rules import LEAST

    count, launch = POINTS if points is None else points, Launch(worker_count(workers), executor)
    if seed < 0:
        raise ConfigError(f"`--seed` must be at least 0, but is {seed}.")
    if count < LEAST:
        raise ConfigError(f"`--points` must be at least {LEAST} for a map to be fitted, but is {count}.")
    # Only the run itself needs torch.
    from farsighted.phase_map.survey import run_map
    from farsighted.phase_map.write import write_map

    records = run_map(out, count, launch, seed, QUICK if quick else FULL, _progress(error_console()))
    options = f" --points {count} --seed {seed}{' --quick' if quick else ''}"
    output_console().print(str(write_map(records, f"farsighted phase-map --out DIR{options}")), soft_wrap=True)


def _progress(console: Console) -> Callable[[int, int], None]:
    """Return what says how far the map is, with the time left."""
    began: list[tuple[float, int]] = []

    def told(done: int, total: int) -> None:
        now = time.monotonic()
        if not began:
            began.append((now, done))
            console.print(f"{done} of {total} worlds were measured before.", soft_wrap=True)
            return
        start, before = began[0]
        left = (now - start) * (total - done) / max(done - before, 1)
        console.print(f"[{done}/{total}] worlds ({as_duration(left)} left)", soft_wrap=True)

    return told
