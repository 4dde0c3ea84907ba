"""The tasks of one audit, for any executor."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.launch.work import Handler, Line, Opening, Task
from farsighted.protocol.inputs import AuditInputs, load_inputs
from farsighted.protocol.plan import Cell, plan_cells
from farsighted.protocol.stored_inputs import open_inputs
from farsighted.protocol.tasks import (
    Desk,
    Unit,
    cell_unit,
    clusters_unit,
    run_cell_task,
    run_clusters_task,
    run_measure_task,
    run_stage_task,
    stage_unit,
)
from farsighted.store.layout import Layout

_OPENER: Final = "farsighted.launch.audit:open_audit"


def audit_opening(
    config: AuditConfig, folder: Path, workers: int, modules: Iterable[str] = (), inputs: Path | None = None
) -> Opening:
    """Return what an executor is opened with to run an audit.

    Args:
        config: The audit.
        folder: The audit's folder.
        workers: Tasks at the same time.
        modules: Where the selectors of the audit are registered.
        inputs: Folder that the audit's inputs are stored in; None: they are read anew.
    """
    argument = {"config": config.model_dump(mode="json"), "inputs": str(inputs) if inputs else None}
    return Opening(_OPENER, argument, folder, Layout(folder).logs, workers, tuple(modules))


def open_audit(argument: Mapping[str, object], folder: Path, line: Line) -> Handler:
    """Return what does the tasks of an audit, read from its configuration; raises `FarsightedError` as an audit does.

    Args:
        argument: `config`, the resolved configuration, and `inputs`, the folder that its inputs are stored in, if any.
        folder: The audit's folder.
        line: Is told how tasks go.
    """
    config, stored = argument["config"], argument.get("inputs")
    if not isinstance(config, Mapping):
        raise ConfigError(f"The configuration of an audit must be a mapping, but is {config!r}.")
    loaded = load_config(config)
    inputs = open_inputs(loaded, Path(str(stored))) if stored else load_inputs(loaded)
    return audit_handler(loaded, inputs, plan_cells(loaded, inputs), folder, line)


def audit_unit(config: AuditConfig, inputs: AuditInputs, layout: Layout, task: Task) -> Unit:
    """Return what a task of an audit does under one claim; raises `ConfigError` for one that writes nothing."""
    match task.kind:
        case "stage":
            return stage_unit(config, inputs, layout, task.name)
        case "clusters":
            return clusters_unit(config, inputs, layout)
        case "cell":
            return cell_unit(layout, task.name)
        case _:
            raise ConfigError(f"What is claimed in an audit must be stage, clusters or cell, but is {task.kind}.")


def audit_handler(config: AuditConfig, inputs: AuditInputs, cells: Iterable[Cell], folder: Path, line: Line) -> Handler:
    """Return what does the tasks of an audit that has been read."""
    desk = Desk(config, inputs, {cell.id: cell for cell in cells}, Layout(folder), line.should_stop, line)

    def do(task: Task) -> object:
        match task.kind:
            case "stage":
                return run_stage_task(desk, task.name)
            case "clusters":
                return run_clusters_task(desk)
            case "cell":
                return run_cell_task(desk, task.name)
            case "measure":
                return run_measure_task(desk, task.name)
            case _:
                raise ConfigError(f"A task of an audit must be stage, clusters, cell or measure, but is {task.kind}.")

    return do
