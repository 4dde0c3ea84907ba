"""Run what a target needs, in one folder: cells that one target has run are there for the next."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from farsighted.api import Prepared, prepare, run_cells
from farsighted.config.load import load_config
from farsighted.launch.work import Launch, Observer
from farsighted.paper.worlds import Target, World, overrides_of, parts_of
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from farsighted.store.records import PlanRecord
from farsighted.store.writer import write_plan

Watch = Callable[[Prepared, int], AbstractContextManager[Observer]]
"""Makes the observer of one part, given what is prepared and how many of its cells were finished before."""


def run_target(
    target: Target, world: World, out: Path, workers: int, watch: Watch, overrides: Iterable[str] = ()
) -> tuple[str, ...]:
    """Run the missing cells of all parts of a target, and write one plan that names the cells of all.

    Args:
        target: What is to be reproduced.
        world: Where.
        out: Folder of the audit; the same folder again runs only what is missing.
        workers: Processes.
        watch: Makes the observer that is told how a part goes.
        overrides: "key.sub=value" each, on top of the world's preset and of the parts.

    Returns:
        Why cells failed, a sentence each.

    Raises:
        FarsightedError: As `api.audit` does; every finished cell is kept.
    """
    plans, failed, layout = [], [], Layout(out)
    overrides = tuple(overrides)
    for part in parts_of(target):
        prepared = prepare(load_config(world.preset, [*overrides_of(world, part), *overrides]), out)
        done = len(prepared.cells) - len(prepared.missing(layout))
        with watch(prepared, done) as observer:
            outcomes = run_cells(prepared, out, Launch(workers), observer, None)
        failed += [str(outcome.failure) for outcome in outcomes]
        plans.append(read_plan(layout))
    write_plan(layout, merged(plans))
    return tuple(failed)


def merged(plans: Iterable[PlanRecord]) -> PlanRecord:
    """Return one plan with the cells of all; the rest is the first one's, with the notes and failures of all.

    Parts of one grid share data, model and statistics; what they do not share is in the cells.
    """
    first, *others = plans
    cells = {cell["id"]: cell for plan in (first, *others) for cell in plan["cells"]}
    notes = dict.fromkeys(note for plan in (first, *others) for note in plan["notes"])
    failures = {name: why for plan in (first, *others) for name, why in plan["failures"].items()}
    return {**first, "cells": list(cells.values()), "notes": list(notes), "failures": failures}
