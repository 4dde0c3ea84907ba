"""The units of work of an audit; where they run is `launch`'s business.

Any number of processes and hosts may be given the same units in one folder: each is claimed by one of them, and the
others are told at once who has it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, TypedDict

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError
from farsighted.core.readings import Listener
from farsighted.learners.base import EXACT_AT_START, SelfTested
from farsighted.learners.quadratic import build_quadratic
from farsighted.protocol.cell import CellContext, run_cell
from farsighted.protocol.cost import measure_rates
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.notes import keep_model_notes, notes_of_modes
from farsighted.protocol.plan import Cell
from farsighted.protocol.shared import (
    Known,
    clusters_are_prepared,
    clusters_folder,
    load_known,
    prepare_clusters,
    prepare_stage,
    stage_folder,
    stage_is_prepared,
)
from farsighted.store.claims import Claim, ClaimLostError, Claims, Found
from farsighted.store.layout import Layout

_log = logging.getLogger(__name__)

_SELF_TEST_EXAMPLES = 8
_DONE: Final = "done"


@dataclass(frozen=True)
class Unit:
    """What one process does alone, under a claim of its own."""

    claim: str
    is_done: Callable[[], bool]
    """Whether its result is in the audit's folder."""


class Held(TypedDict):
    """Nothing was done, because another process is at it; a JSON value."""

    held_by: str
    """Which process, for people."""


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


def stage_unit(config: AuditConfig, inputs: AuditInputs, layout: Layout, name: str) -> Unit:
    """Return the shared work of a stage."""
    folder = stage_folder(config, inputs, layout, name)
    return Unit(f"shared-{folder.name}", lambda: stage_is_prepared(config, inputs, layout, name))


def clusters_unit(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> Unit:
    """Return the search for clusters."""
    folder = clusters_folder(config, inputs, layout)
    return Unit(f"shared-{folder.name}", lambda: clusters_are_prepared(config, inputs, layout))


def cell_unit(layout: Layout, cell_id: str) -> Unit:
    """Return a cell."""
    return Unit(cell_id, lambda: layout.finished(cell_id))


def run_stage_task(desk: Desk, name: str) -> str | Held:
    """Do the shared work of one stage, after a self-test of the model's signals under every adaptation."""

    def prepare(_: Claim) -> str:
        _prepare_stage(desk, name)
        return _DONE

    return _once(desk.layout, stage_unit(*_read(desk), name), prepare)


def run_clusters_task(desk: Desk) -> str | Held:
    """Find the clusters of all pools."""

    def prepare(_: Claim) -> str:
        prepare_clusters(*_read(desk))
        return _DONE

    return _once(desk.layout, clusters_unit(*_read(desk)), prepare)


def run_cell_task(desk: Desk, cell_id: str) -> str | Held:
    """Run one cell unless it is done; returns its status."""

    def run(claim: Claim) -> str:
        cell = _cell(desk, cell_id)
        context = CellContext(desk.config, desk.inputs, desk.known, desk.layout, desk.should_stop, desk.listener, claim)
        return run_cell(cell, _learner(desk.config, desk.inputs, cell.adaptation, cell.seed), context)

    return _once(desk.layout, cell_unit(desk.layout, cell_id), run)


def _once(layout: Layout, unit: Unit, work: Callable[[Claim], str]) -> str | Held:
    """Do what no process has done or is doing; returns how it ended, or who is doing it."""
    if unit.is_done():
        return _DONE
    claims = Claims(layout.claims)
    taken = claims.take(unit.claim)
    if isinstance(taken, Found):
        return Held(held_by=str(taken.holder))
    try:
        with taken:
            # Another process may have done it between the look and the claim.
            return _DONE if unit.is_done() else work(taken)
    except ClaimLostError as error:
        _log.warning("%s", error)
        found = claims.held(unit.claim)
        return Held(held_by=str(found.holder) if found else "another process")


def _prepare_stage(desk: Desk, name: str) -> None:
    # The last one stays loaded for the work itself, which asks for the base model's own bits.
    modes = sorted(desk.config.adaptations, key=lambda mode: mode in EXACT_AT_START)
    learner, notes = _self_tested(desk.config, desk.inputs, modes, name)
    if desk.inputs.folder is not None:
        keep_model_notes(*_read(desk), notes)
    if modes[-1] not in EXACT_AT_START:
        learner = _learner(desk.config, desk.inputs, "lora", seed=0)
    prepare_stage(learner, *_read(desk), name)


def self_test(config: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Load the model under every adaptation and test its signals on a few examples; returns what is to be said of it.

    Raises `ModelError` where it cannot be loaded, or where its signals are not what they must be.
    """
    return _self_tested(config, inputs, config.adaptations, next(iter(inputs.stages))).notes


class _Tested(NamedTuple):
    """The learner of the last adaptation, and what is to be said of the model under all of them."""

    learner: SelfTested
    notes: tuple[str, ...]


def _self_tested(config: AuditConfig, inputs: AuditInputs, modes: Sequence[str], stage: str) -> _Tested:
    examples = inputs.stages[stage].pool.tokens[:_SELF_TEST_EXAMPLES]
    notes = {}
    for mode in modes:
        learner = _learner(config, inputs, mode, seed=0)
        learner.self_test(examples)
        notes[mode] = learner.notes
    return _Tested(learner, notes_of_modes(notes))


def _read(desk: Desk) -> tuple[AuditConfig, AuditInputs, Layout]:
    return desk.config, desk.inputs, desk.layout


def run_measure_task(desk: Desk, cell_id: str) -> dict[str, Any]:
    """Time a few rounds of a cell; returns `Rates` as a JSON value and writes nothing."""
    cell = _cell(desk, cell_id)
    learner = _learner(desk.config, desk.inputs, cell.adaptation, cell.seed)
    return asdict(measure_rates(cell, learner, desk.config, desk.inputs))


def _cell(desk: Desk, cell_id: str) -> Cell:
    if cell_id not in desk.cells:
        raise ConfigError(
            f"The cell {cell_id} is no longer part of this audit: its data, its model or this program changed while it "
            "ran. Run the same command again."
        )
    return desk.cells[cell_id]


def _learner(config: AuditConfig, inputs: AuditInputs, adaptation: str, seed: int) -> SelfTested:
    if inputs.world is not None:
        return build_quadratic(config, inputs.world, adaptation, seed)
    if inputs.folder is None:
        raise RuntimeError("An audit must have a language model or a quadratic world.")
    # Only a language model needs torch, which takes longer to import than a cell of the quadratic world to run.
    from farsighted.learners.build import TextModel, build_language_model

    model = TextModel(inputs.folder, inputs.model_hash, inputs.end_ids)
    return build_language_model(config, model, adaptation, seed)
