"""The units of work of an audit and the order they must be done in; where they run is `launch`'s business."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from filelock import FileLock

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError
from farsighted.core.readings import Listener
from farsighted.learners.base import EXACT_AT_START, SelfTested
from farsighted.learners.quadratic import build_quadratic
from farsighted.protocol.cell import CellContext, run_cell
from farsighted.protocol.cost import measure_rates
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.plan import Cell
from farsighted.protocol.shared import Known, load_known, prepare_clusters, prepare_stage
from farsighted.store import atomic
from farsighted.store.layout import Layout

_SELF_TEST_EXAMPLES = 8


@dataclass(frozen=True)
class Desk:
    """What a worker process has at hand for every task of one audit."""

    config: AuditConfig
    inputs: AuditInputs
    cells: dict[str, Cell]
    layout: Layout
    should_stop: Callable[[], bool]
    listener: Listener

    @cached_property
    def known(self) -> Mapping[str, Known]:
        """What the shared work found, read once: it is done before the first cell begins."""
        return load_known(self.config, self.inputs, self.layout)


def run_stage_task(desk: Desk, name: str) -> None:
    """Do the shared work of one stage, after a self-test of the model's signals under every adaptation."""
    examples = desk.inputs.stages[name].pool.tokens[:_SELF_TEST_EXAMPLES]
    # The last one stays loaded for the work itself, which asks for the base model's own bits.
    modes = sorted(desk.config.adaptations, key=lambda mode: mode in EXACT_AT_START)
    for mode in modes:
        learner = _learner(desk, mode, seed=0)
        learner.self_test(examples)
    if modes[-1] not in EXACT_AT_START:
        learner = _learner(desk, "lora", seed=0)
    prepare_stage(learner, desk.config, desk.inputs, desk.layout, name)


def run_clusters_task(desk: Desk) -> None:
    """Find the clusters of all pools."""
    prepare_clusters(desk.config, desk.inputs, desk.layout)


def run_cell_task(desk: Desk, cell_id: str) -> str:
    """Run one cell unless it is done; returns its status."""
    lock = desk.layout.lock(cell_id)
    with atomic.storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if desk.layout.finished(cell_id):
            return "done"
        cell = _cell(desk, cell_id)
        context = CellContext(desk.config, desk.inputs, desk.known, desk.layout, desk.should_stop, desk.listener)
        return run_cell(cell, _learner(desk, cell.adaptation, cell.seed), context)


def run_measure_task(desk: Desk, cell_id: str) -> dict[str, Any]:
    """Time a few rounds of a cell; returns `Rates` as a JSON value and writes nothing."""
    cell = _cell(desk, cell_id)
    return asdict(measure_rates(cell, _learner(desk, cell.adaptation, cell.seed), desk.config, desk.inputs))


def _cell(desk: Desk, cell_id: str) -> Cell:
    if cell_id not in desk.cells:
        raise ConfigError(
            f"The cell {cell_id} is no longer part of this audit: its data, its model or this program changed while it "
            "ran. Run the same command again."
        )
    return desk.cells[cell_id]


def _learner(desk: Desk, adaptation: str, seed: int) -> SelfTested:
    inputs = desk.inputs
    if inputs.world is not None:
        return build_quadratic(desk.config, inputs.world, adaptation, seed)
    if inputs.folder is None:
        raise RuntimeError("An audit must have a language model or a quadratic world.")
    # Only a language model needs torch, which takes longer to import than a cell of the quadratic world to run.
    from farsighted.learners.build import TextModel, build_language_model

    model = TextModel(inputs.folder, inputs.model_hash, inputs.end_id)
    return build_language_model(desk.config, model, adaptation, seed)
