"""Cells on a fake learner: real data, real protocol, and a model that takes microseconds."""

from dataclasses import dataclass, field

from farsighted.core.errors import InterruptedRunError
from farsighted.core.readings import Unheard
from farsighted.protocol.cell import CellContext, run_cell
from farsighted.protocol.shared import load_known, prepare_clusters, prepare_stage
from farsighted.protocol.tasks import Desk
from farsighted.store.claims import Claims
from farsighted.testing.fake_learner import FakeLearner
from oracles.micro import desk_of, nano_config


@dataclass
class Hearing:
    """A listener that keeps what it is told, and may do something about it."""

    shares: list = field(default_factory=list)
    readings: list = field(default_factory=list)
    at_progress: object = None

    def progressed(self, share):
        self.shares.append(share)
        if self.at_progress:
            self.at_progress(share)

    def numbers(self, readings):
        self.readings += readings


@dataclass(frozen=True)
class FakeWorld:
    """Two stages whose shared work is done."""

    desk: Desk
    known: dict

    def cell(self, label):
        return next(cell for cell in self.desk.cells.values() if cell.label == label)

    def folder(self, label):
        return self.desk.layout.cell(self.cell(label).id)

    def run(self, label, learner=None, should_stop=lambda: False, listener=None, claim=None):
        """Run one cell from where its checkpoint is; returns its status, or `interrupted`."""
        desk = self.desk
        cell = self.cell(label)
        told = should_stop, listener or Unheard()
        try:
            with claim or Claims(desk.layout.claims).take(cell.id) as held:
                context = CellContext(desk.config, desk.inputs, self.known, desk.layout, *told, held)
                return run_cell(cell, learner or FakeLearner(), context)
        except InterruptedRunError:
            return "interrupted"


def fake_world(folder, **changes):
    """The nano audit in a fresh folder."""
    folder.mkdir(parents=True, exist_ok=True)
    desk = desk_of(nano_config(folder, **changes), folder / "out")
    for name in desk.inputs.stages:
        prepare_stage(FakeLearner(), desk.config, desk.inputs, desk.layout, name)
    prepare_clusters(desk.config, desk.inputs, desk.layout)
    return FakeWorld(desk, load_known(desk.config, desk.inputs, desk.layout))


def stop_at(call):
    """A `should_stop` that is true at its `call`-th asking, counted from 1."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= call
