"""Audit and selection from Python. Nothing is printed here; `audit` leaves torch to its workers."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Unpack

from pydantic import TypeAdapter

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config
from farsighted.config.select import Files, SelectOptions, select_config
from farsighted.core.errors import FarsightedError
from farsighted.core.values import Budget
from farsighted.data.chosen import Selected
from farsighted.files.readers import write_quarantine
from farsighted.launch.audit import audit_handler, audit_opening, audit_unit
from farsighted.launch.build import executor_maker
from farsighted.launch.elsewhere import SharedFolder
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.observers import Silent
from farsighted.launch.trackers import find_trackers, tracked
from farsighted.launch.work import (
    Executor,
    Handler,
    Launch,
    Line,
    MakeExecutor,
    Observer,
    Opening,
    Task,
    TaskResult,
    Tracker,
)
from farsighted.protocol.cost import AuditCost, Rates, estimate
from farsighted.protocol.defaults import short_stages, training_lines, training_notes, with_probe_length
from farsighted.protocol.fairness import check_fair, overshoot_notes
from farsighted.protocol.inputs import AuditInputs, load_inputs
from farsighted.protocol.notes import heuristics_note, kept_model_notes
from farsighted.protocol.origins import own_selectors, selector_modules, unfollowed_notes
from farsighted.protocol.outputs import refuse_output
from farsighted.protocol.plan import Cell, plan_cells
from farsighted.protocol.refusals import refuse_impossible
from farsighted.protocol.shared import clusters_are_prepared, quality_notes, stage_is_prepared
from farsighted.protocol.stored_inputs import find_inputs, share_inputs
from farsighted.protocol.tasks import self_test
from farsighted.report.write import ReportPaths, write_results
from farsighted.results.readings import summary_readings
from farsighted.selectors import Selector, SelectorSpec
from farsighted.store import atomic
from farsighted.store.claims import Claims
from farsighted.store.layout import SCHEMA, Layout
from farsighted.store.reader import read_meta, read_results, refuse_other_versions
from farsighted.store.records import PlanRecord
from farsighted.store.writer import write_plan
from farsighted.testing.selectors import check_before_use

_RATES: Final = TypeAdapter(Rates)
_LIBRARIES = ("torch", "transformers", "peft", "numpy", "scipy")


class CellsFailedError(FarsightedError):
    """Some cells could not be run; the others are finished and reported."""

    exit_code = 1


@dataclass(frozen=True)
class Prepared:
    """An audit that has been read and checked, and can start."""

    config: AuditConfig
    inputs: AuditInputs
    cells: tuple[Cell, ...]
    asked: AuditConfig
    """The configuration as it came, with what it leaves open."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was read, about settings that were left open, and about code that cannot be followed."""
        training = training_notes(self.asked, self.inputs)
        return (*self.inputs.notes, *training, *unfollowed_notes(self.cells))

    @property
    def training_lines(self) -> tuple[str, ...]:
        """Sentences about learning rates and the probe's length, stated or not."""
        return training_lines(self.asked, self.inputs)

    def missing(self, layout: Layout) -> tuple[Cell, ...]:
        """Return the cells that are not finished in a folder."""
        return tuple(cell for cell in self.cells if not layout.finished(cell.id))

    def title(self, task: Task) -> str:
        """Return what a task is about, for people."""
        return next((cell.title for cell in self.cells if cell.id == task.name), task.name)


def prepare(config: AuditConfig, out: Path | None = None) -> Prepared:
    """Read and check everything that an audit needs; raises `FarsightedError` with the next step.

    Selectors that are not this package's own are tried on made-up candidates: what crashes does so before any training.
    `out` is the audit's folder, where what is read and tokenised is kept for its workers; None: nothing is written.
    """
    if out is not None:
        refuse_output(config, out)
    inputs = load_inputs(config) if out is None else find_inputs(config, Layout(out).inputs)
    asked, config = config, with_probe_length(config, inputs)
    cells = plan_cells(config, inputs)
    check_before_use(own_selectors(cells))
    refuse_impossible(config, inputs, cells)
    if out is not None:
        # Only now: a refused audit leaves nothing behind.
        atomic.ensure_writable(out)
        inputs = share_inputs(config, inputs, Layout(out).inputs)
    return Prepared(config, inputs, cells, asked)


def check_model(prepared: Prepared) -> tuple[str, ...]:
    """Return what is to be said of how the model is made; this imports torch.

    Raises `ModelError` where the device is missing or the model could not be loaded.

    What is seen: code of the model's own, a missing library, weights that are missing, damaged or of another shape, and
    adapters that do not fit the model.
    """
    config, folder = prepared.config, prepared.inputs.folder
    if folder is None:
        return ()
    # Nothing else in this process needs torch.
    from farsighted.models.loading import check_loadable

    found = check_loadable(folder, config.model.dtype, config.model.device, in_4_bits="qlora" in config.adaptations)
    if set(config.adaptations) - {"lora", "full", "qlora"}:
        from farsighted.learners.build import check_adaptations

        check_adaptations(config, folder)
    return found


def try_model(prepared: Prepared) -> tuple[str, ...]:
    """Load the model under every adaptation and test it on a few examples, as an audit does before it begins.

    Returns what is to be said of it; raises `ModelError` as `check_model` does, and where its signals are wrong.
    """
    if prepared.inputs.folder is None:
        return ()
    # What can be refused without loading is refused first.
    check_model(prepared)
    return self_test(prepared.config, prepared.inputs)


def refuse_launch(launch: Launch) -> None:
    """Raise `ConfigError` for an executor or tracker that there is not: before anything is read or written."""
    executor_maker(launch)
    find_trackers(launch.trackers)


def audit(  # noqa: PLR0913 — the one call that a user writes: its options are its arguments
    source: str | Path | Mapping[str, object] | AuditConfig,
    out: str | Path,
    overrides: Iterable[str] = (),
    workers: int = 1,
    observer: Observer | None = None,
    *,
    executor: str | MakeExecutor = "local",
    trackers: Sequence[str | Tracker] = (),
) -> ReportPaths:
    """Run an audit, or what is missing of it, and write its report.

    Args:
        source: A preset's name, a YAML file, a mapping, or a configuration.
        out: Folder for all that is written; the same folder again runs only the cells that are missing.
        overrides: "key.sub=value" each, on top of whatever the source is.
        workers: Cells that run at the same time, one torch thread each.
        observer: Is told of progress and of every number.
        executor: Who runs the cells: "local" in processes of their own, "inline" in this one, or a name that an
            installed package or `package.module:Name` stands for.
        trackers: Who else is told of progress and of every number; names as for `executor`, or functions of the folder
            and the resolved configuration that return an observer. One that raises is dropped with a note to the
            observer (a `RuntimeWarning` where there is none).

    Raises:
        FarsightedError: With what is wrong, where, and what to do. `CellsFailedError` and
            `ViewsFailedError` come after the rest of the report was written; `InterruptedRunError` after checkpoints
            were.
    """
    plain = source.model_dump(mode="json") if isinstance(source, AuditConfig) else source
    config = load_config(plain, overrides)
    launch = Launch(workers, executor, trackers)
    refuse_launch(launch)
    return run_prepared(prepare(config, Path(out)), Path(out), launch, observer or Silent())


def run_prepared(
    prepared: Prepared, out: Path, launch: Launch, observer: Observer, command: str | None = None
) -> ReportPaths:
    """Run the missing cells of a prepared audit and write its report; raises as `audit` does."""
    trackers = find_trackers(launch.trackers)
    with tracked(observer, trackers, out, prepared.config.model_dump(mode="json")) as everyone:
        failures = run_cells(prepared, out, launch, everyone, command)
        paths = write_results(out)
        everyone.numbers(Task("report", "summary"), summary_readings(read_results(Layout(out))["summary"]))
        # Inside the block: a tracker is left with the error that ends the audit.
        if failures:
            logs = f"Messages of the workers are in {Layout(out).logs}; the same command tries again."
            others = f"The others are in {paths.scorecard}."
            raise _failed(prepared, failures, " ".join([others, *paths.failures, logs]))
        paths.check()
    return paths


def run_cells(
    prepared: Prepared, out: Path, launch: Launch, observer: Observer, command: str | None
) -> tuple[TaskResult, ...]:
    """Run the missing cells of a prepared audit, and write its plan; returns the cells that failed.

    Raises as `audit` does, but for `CellsFailedError` over cells.
    """
    layout, make = Layout(out), executor_maker(launch)
    atomic.ensure_writable(out)
    refuse_other_versions(layout, [cell.id for cell in prepared.cells])
    write_plan(layout, _plan(prepared, layout, command))
    if prepared.inputs.bad_rows:
        write_quarantine(layout.bad_rows, prepared.inputs.bad_rows)
    failures: list[TaskResult] = []
    missing = prepared.missing(layout)
    if missing:
        with make(_opening(prepared, out, launch.workers)) as executor:
            outcomes = _run_phases(prepared, missing, layout, executor, observer)
        # What failed here may have been finished by another process since.
        failures = [outcome for outcome in outcomes if not layout.finished(outcome.task.name)]
    check_fair(read_meta(layout.cell(cell.id)) for cell in prepared.cells if layout.finished(cell.id))
    reasons = {outcome.task.name: str(outcome.failure) for outcome in failures}
    # What failed, and what a judge cost, is known only now.
    write_plan(layout, _plan(prepared, layout, command, reasons))
    return tuple(failures)


def _failed(prepared: Prepared, failures: Sequence[TaskResult], others: str) -> CellsFailedError:
    first = failures[0]
    return CellsFailedError(
        f"{len(failures)} of {len(prepared.cells)} cells failed, '{prepared.title(first.task)}' first: {first.failure} "
        f"{others}".rstrip()
    )


def run_here(
    prepared: Prepared, cells: Sequence[Cell], root: Path, should_stop: Callable[[], bool], observer: Observer
) -> None:
    """Do the shared work of an audit and some of its cells in this process; neither plan nor report is written.

    Args:
        prepared: The audit.
        cells: What to run; none = the shared work alone.
        root: Folder for all that is written.
        should_stop: Asked at every step; True ends everything with `InterruptedRunError`.
        observer: Is told of progress and of every number.

    Raises:
        FarsightedError: As `audit` does.
    """
    layout = Layout(root)

    def opened(line: Line) -> Handler:
        return audit_handler(prepared.config, prepared.inputs, prepared.cells, root, line)

    with InlineExecutor(opened, layout.logs, should_stop) as executor:
        failures = _run_phases(prepared, cells, layout, executor, observer)
    if failures:
        raise _failed(prepared, failures, "")


def _run_phases(
    prepared: Prepared, cells: Sequence[Cell], layout: Layout, executor: Executor, observer: Observer
) -> list[TaskResult]:
    """Run the shared work and cells; returns the cells that failed."""
    failures: list[TaskResult] = []
    folder = SharedFolder(Claims(layout.claims), partial(audit_unit, prepared.config, prepared.inputs, layout))
    for tasks in _phases(prepared, cells, layout):
        failures += [outcome for outcome in folder.run(executor, tasks, observer) if outcome.failure]
        if failures and tasks[0].kind != "cell":
            raise CellsFailedError(f"'{failures[0].task.name}' could not be prepared: {failures[0].failure}")
    return failures


def estimate_prepared(prepared: Prepared, out: Path, launch: Launch) -> AuditCost:
    """Time a few rounds of each kind of cell and return the cost of what is missing in `out`."""
    missing = prepared.missing(Layout(out))
    kinds = {(cell.label, cell.adaptation, str(cell.budget)): cell for cell in missing}
    if not missing:
        return AuditCost(0, 0, 0, 0, 0.0, 0.0)
    make = executor_maker(launch)
    with atomic.temporary_folder() as folder, make(_opening(prepared, folder, 1)) as executor:
        outcomes = executor.run([Task("measure", cell.id) for cell in kinds.values()], Silent())
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        raise CellsFailedError(f"'{prepared.title(failed[0].task)}' could not be timed: {failed[0].failure}")
    rates = [_RATES.validate_python(outcome.result) for outcome in outcomes]
    return estimate(missing, rates, prepared.config, prepared.inputs, launch.workers)


def _opening(prepared: Prepared, folder: Path, workers: int) -> Opening:
    inputs = share_inputs(prepared.config, prepared.inputs, Layout(folder).inputs)
    return audit_opening(prepared.config, folder, workers, selector_modules(prepared.cells), inputs.stored)


def _phases(prepared: Prepared, missing: Sequence[Cell], layout: Layout) -> list[list[Task]]:
    """What is left to do, each list after the one before it."""
    config, inputs = prepared.config, prepared.inputs
    stages = [Task("stage", name) for name in inputs.stages if not stage_is_prepared(config, inputs, layout, name)]
    clusters = [] if clusters_are_prepared(config, inputs, layout) else [Task("clusters", "clusters")]
    # A compute-matched reference takes longest: started last, it would leave the other workers idle at the end.
    cells = sorted(missing, key=lambda cell: (config.seeds.index(cell.seed), not cell.reference))
    return [phase for phase in (stages, clusters, [Task("cell", cell.id) for cell in cells]) if phase]


def _plan(
    prepared: Prepared, layout: Layout, command: str | None, failures: Mapping[str, str] | None = None
) -> PlanRecord:
    inputs = prepared.inputs
    judged = quality_notes(prepared.config, inputs, layout)
    finished = [read_meta(layout.cell(cell.id)) for cell in prepared.cells if layout.finished(cell.id)]
    return {
        "schema": SCHEMA,
        "farsighted": importlib.metadata.version("farsighted"),
        "title": prepared.config.title,
        "config": prepared.config.record(),
        "command": command,
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        "notes": [
            *prepared.notes,
            *short_stages(prepared.config, inputs),
            *heuristics_note(prepared.config, inputs),
            *kept_model_notes(prepared.config, inputs, layout),
            *judged,
            *overshoot_notes(prepared.config, inputs, finished),
        ],
        "fingerprints": inputs.fingerprints,
        "model_hash": inputs.model_hash,
        "cells": [cell.row() for cell in prepared.cells],
        "failures": dict(failures or {}),
    }


def select(
    data: Files, selector: SelectorSpec, budget: str | float | Budget, **options: Unpack[SelectOptions]
) -> Selected:
    r"""Rank the examples of files with one selector and cut at a budget, without any training.

    Args:
        data: Files, globs or folders to select from.
        selector: A name, a mapping of `name` and parameters, or a selector itself.
        budget: "25%" or 0.25 of the response tokens, "25% examples", "5000 tokens", "200 examples".
        options: `model`, `history`, `proxy`, `columns`, `quality` and more: see `config.select.SelectConfig`.

    Raises:
        FarsightedError: With what is wrong, where, and what to do.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     rows = '{"prompt": "2 + 2 =", "response": "4"}\n{"prompt": "Go on:", "response": "so, so, so, so,"}\n'
    ...     _ = Path(folder, "data.jsonl").write_text(rows)
    ...     chosen = select(Path(folder, "data.jsonl"), "quality", "1 examples", cache_megabytes=0)
    ...     chosen.write(Path(folder, "chosen.jsonl"))
    >>> chosen.ids
    ('data:1',)
    >>> chosen.notes
    ('Quality comes from rule filters, because not every example carries it.',)
    """
    # Scoring needs torch; what only audits or reports starts without.
    from farsighted.candidates.select import select_from_files

    own = selector if isinstance(selector, Selector) else None
    named = {"name": type(selector).__name__} if own else selector
    settings = {"data": data, "selector": named, "budget": budget, **options}
    return select_from_files(select_config(settings, "in farsighted.select"), own)
