"""One cell, top to bottom: stages in order, each selected, trained, evaluated and probed; then published.

The order at each stage boundary: evaluate all stages' sets, probe the next stage, checkpoint if the last one is not
just written. A cell that was killed goes on from its newest checkpoint and gives the same bytes as one that was not.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from farsighted.candidates.pool_work import PoolWork
from farsighted.candidates.timed import TimedSignals
from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.core.errors import DivergedError, InterruptedRunError
from farsighted.core.readings import Listener
from farsighted.core.values import Tokens
from farsighted.evaluation.sets import evaluate
from farsighted.learners.base import ChangeInner, Learner
from farsighted.protocol.cell_state import CellProgress, pack, unpack
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.plan import Cell
from farsighted.protocol.pool_signals import PoolSignals, StartModel
from farsighted.protocol.probe import probe_points, probe_set, run_neutral_probe
from farsighted.protocol.replay import with_earlier
from farsighted.protocol.scores import ScoredAt
from farsighted.protocol.shared import FirstSignals, Known
from farsighted.protocol.stages import stage_input
from farsighted.protocol.summary import cell_meta, stage_numbers
from farsighted.protocol.told import Told
from farsighted.store.claims import Claim
from farsighted.store.layout import Layout
from farsighted.store.records import CellRecord, CellStatus
from farsighted.store.writer import Checkpoint, read_checkpoint, write_cell, write_checkpoint
from farsighted.training.record import StageRecord
from farsighted.training.stage import (
    ModelSignals,
    StageInput,
    StageProgress,
    run_stage,
    signals_of,
)


@dataclass(frozen=True)
class CellContext:
    """What a cell is run with; nothing in it depends on the selector."""

    config: AuditConfig
    inputs: AuditInputs
    known: Mapping[str, Known]
    layout: Layout
    should_stop: Callable[[], bool]
    """Asked at every round and step; True ends the cell with a checkpoint."""
    listener: Listener
    """Told the share of the cell's optimizer steps that are done, and every number as it comes."""
    claim: Claim
    """This process's right to the cell: asked before each write, so that nobody writes who was taken over."""


def run_cell(cell: Cell, learner: Learner, context: CellContext) -> str:
    """Run a cell to its end and publish it; returns its status, `done` or `diverged`.

    `learner` starts from M_0 with the step-0 adapter of the cell's seed. Raises `InterruptedRunError` after a
    checkpoint where the user asked to stop, `ClaimLostError` without one where another process has taken over the cell.
    """
    run = _CellRun(cell, learner, context)
    try:
        run.stages()
    except DivergedError as error:
        run.publish("diverged", str(error), error.example_ids)
        return "diverged"
    run.publish("done", None, ())
    return "done"


class _CellRun:
    """The moving parts of one cell."""

    def __init__(self, cell: Cell, learner: Learner, context: CellContext) -> None:
        self.cell, self.learner, self.context = cell, learner, context
        self.start_parameters = learner.parameters()
        self.adapter_hash = fingerprint.of_arrays(self.start_parameters)
        self.first = FirstSignals(
            context.layout, context.config, context.inputs.model_hash, (cell.adaptation, self.adapter_hash)
        )
        self.inputs = [
            stage_input(cell, index, learner, context.config, context.inputs, context.known)
            for index in range(1, len(cell.stages) + 1)
        ]
        self.pool_work: dict[str, PoolWork] = {}
        self.done = CellProgress(state=cell.selector.init())
        self.told = Told(cell.id, cell.stages, context.listener)
        self.stage: StageProgress | None = None
        self.stage_start = self.start_parameters
        self.written = time.monotonic()
        """When the newest checkpoint was written; at first, when the cell began."""

    def stages(self) -> None:
        """Run what is left of the cell, stage after stage."""
        self._know_pools()
        self._restore()
        if not self.done.scores.tables:
            self._base_scores()
        while self.done.stages < len(self.cell.stages):
            stage = self._stage_input()
            self._run_stage(stage)
            self._boundary(stage)

    def _know_pools(self) -> None:
        """Find what the selector must know of the pools, while the model is still the start model."""
        cell, context = self.cell, self.context
        start = StartModel(self.learner, cell.adaptation, cell.seed)
        finder = PoolSignals(context.config, context.inputs, start, context.layout, self._stop_if_asked)
        for place, stage in enumerate(self.inputs):
            work = finder.of_pool(cell.selector.needs, stage.pool.name, stage.pool)
            self.pool_work[stage.pool.name] = work
            self.inputs[place] = replace(stage, known={**stage.known, **work.rows})

    def _stop_if_asked(self) -> None:
        if self.context.claim.lost:
            self.context.claim.check()
        if self.context.should_stop():
            raise InterruptedRunError("Stopped. The same command goes on from here.")

    def publish(self, status: CellStatus, reason: str | None, example_ids: tuple[str, ...]) -> None:
        """Write the finished cell."""
        self.context.claim.check()
        self.told.tell_scores(self.done.scores)
        if self.stage is not None:
            stage = self._stage_input()
            self.told.tell_steps(stage.pool.name, self.stage.record)
            numbers = stage_numbers(stage, self.stage, ChangeInner(0.0, 0.0, 0.0), self._pool_cost(stage))
            self.done.per_stage.append(numbers)
            self.done.selections.extend(self.stage.record.tables)
        meta: CellRecord = {
            **cell_meta(self.cell, self.context.config, self.context.inputs, self.done),
            "status": status,
            "reason": reason,
            "example_ids": list(example_ids),
            "adapter_hash": self.adapter_hash,
            "backward_cost": self.learner.backward_cost,
            "learning_rate": self.context.config.learning_rate(self.cell.adaptation),
            "probe_steps": self.context.config.probe.step_count,
        }
        write_cell(self.context.layout, meta, self.done.scores.table(), self.done.selection_table())

    def _stage_input(self) -> StageInput:
        """Return what the stage at hand is run on, with what this cell may replay in it."""
        before = self.inputs[: self.done.stages]
        return with_earlier(self.inputs[self.done.stages], before, self.done.selections)

    def _run_stage(self, stage: StageInput) -> None:
        if self.stage is None:
            self.stage = StageProgress(state=self.done.state)
            self.stage_start = self.learner.parameters()
            self.learner.begin_stage(stage.steps)
        watcher = _CellWatcher(self, stage, self.stage.record)
        self.stage = run_stage(self.learner, self.cell.selector, stage, self.stage, self._model_signals(stage), watcher)

    def _model_signals(self, stage: StageInput) -> ModelSignals:
        compute = signals_of(self.learner, stage.rounds)

        def signals(batch: Sequence[Tokens], needs: frozenset[str], round_: int) -> TimedSignals:
            if stage.index == 1 and round_ == 0:
                return self.first.get(self.learner, batch, needs)
            return compute(batch, needs, round_)

        return signals

    def _boundary(self, stage: StageInput) -> None:
        """Evaluate, probe and checkpoint after a stage."""
        progress = self.stage
        if progress is None:
            return
        after = self.done.stages + 1
        with self.done.timed("evaluation_seconds"):
            self._evaluate(after)
        self.told.tell_scores(self.done.scores)
        end = self.learner.parameters()
        change = self.learner.change_inner(self.start_parameters, self.stage_start, end)
        self.done.finish_stage(progress, stage_numbers(stage, progress, change, self._pool_cost(stage)))
        self.stage = None
        self.told.begin_stage()
        if after < len(self.cell.stages):
            # Before the probe, which is to measure the state that the next stage starts from.
            self.learner.next_stage(after + 1)
            with self.done.timed("probe_seconds"):
                following = self.context.inputs.stages[self.cell.stages[after]]
                position = (self.cell.seed, after, self.inputs[after].steps)
                probed = run_neutral_probe(self.learner, following, self.context.config, position, self.done.scores)
                self.done.probe_tokens += probed.trained_tokens
            self.told.tell_probe(stage.pool.name, probed)
            self.told.tell_scores(self.done.scores)
            if time.monotonic() - self.written >= self.context.config.checkpoint.seconds:
                self._checkpoint()

    def _pool_cost(self, stage: StageInput) -> PoolWork:
        """Return what the signals took that are found once for the pool, embeddings and clusters among them."""
        work = self.pool_work[stage.pool.name]
        if not self.cell.selector.needs & {"embedding", "cluster"}:
            return work
        tokens = self.context.inputs.stages[stage.pool.name].pool.response_tokens
        return work.plus(PoolWork({}, self.context.known[stage.pool.name].embedding_seconds, tokens))

    def _base_scores(self) -> None:
        for name in self.context.inputs.stages:
            self.done.scores.tables.append(self.context.known[name].base_scores)
        self.told.tell_scores(self.done.scores)

    def _evaluate(self, after: int) -> None:
        names = self.cell.stages
        if self.context.config.evaluation.evaluate == "past":
            names = names[:after]
        for name in names:
            found = self.context.inputs.stages[name].validation
            self.done.scores.add(ScoredAt("validation", after), found, evaluate(self.learner, found))
        if after == len(self.cell.stages):
            for shifted in self.context.inputs.ood_sets:
                self.done.scores.add(ScoredAt("ood", after), shifted, evaluate(self.learner, shifted))

    def heed(self, progress: StageProgress) -> None:
        """End the cell inside a stage: with a checkpoint where asked, with none where it was taken over."""
        if self.context.claim.lost:
            self.context.claim.check()
        if self.context.should_stop():
            self.stage = progress
            self._checkpoint()
            raise InterruptedRunError("Stopped. The same command goes on from here.")

    def _checkpoint(self) -> None:
        self.context.claim.check()
        meta, groups, selections = self.done.save(self.stage)
        arrays = {**groups, "parameters": self.learner.parameters()}
        if self.stage is not None:
            arrays |= {"optimizer": self.learner.optimizer_state(), "stage_start": self.stage_start}
        checkpoint = Checkpoint(
            stage=self.done.stages,
            round=0 if self.stage is None else self.stage.round,
            meta=meta,
            arrays=pack(arrays),
            scores=self.done.scores.table(),
            selections=selections,
        )
        write_checkpoint(self.context.layout, self.cell.id, checkpoint)
        self.written = time.monotonic()

    def _restore(self) -> None:
        checkpoint = read_checkpoint(self.context.layout, self.cell.id)
        if checkpoint is None:
            return
        arrays = unpack(checkpoint.arrays)
        self.learner.load_parameters(arrays["parameters"])
        self.done, self.stage = CellProgress.load(checkpoint, arrays)
        self.told.skip(self.done.scores, None if self.stage is None else self.stage.record)
        if self.stage is not None:
            self.stage_start = arrays["stage_start"]
            self.learner.begin_stage(self.inputs[self.done.stages].steps)
            self.learner.load_optimizer_state(arrays["optimizer"])


class _CellWatcher:
    """Stops on request, reports progress, and draws the selector's own probe curve from the first steps of a stage."""

    def __init__(self, run: _CellRun, stage: StageInput, record: StageRecord) -> None:
        self._run, self._stage, self._record = run, stage, record
        config = run.context.config
        self._points = probe_points(config.probe) if stage.index > 1 else ()
        self._set = probe_set(run.context.inputs.stages[stage.pool.name], config)
        steps = [stage_input.steps for stage_input in run.inputs]
        self._before, self._total = sum(steps[: stage.index - 1]), max(sum(steps), 1)

    def before_round(self, progress: StageProgress) -> None:
        """Stop where this cell must; at the first round, take the own probe's first point."""
        self._run.heed(progress)
        if self._points and progress.round == 0:
            self._evaluate(0, 0)

    def before_step(self, progress: StageProgress) -> None:
        """Stop where this cell must: a round may be a whole stage."""
        self._run.heed(progress)

    def after_step(self, steps: int, trained_tokens: int) -> None:
        """Tell, and evaluate where the own probe has a point."""
        self._run.told.tell_steps(self._stage.pool.name, self._record)
        self._run.context.listener.progressed((self._before + steps) / self._total)
        if steps in self._points:
            self._evaluate(trained_tokens, self._points.index(steps) + 1)

    def _evaluate(self, trained_tokens: int, point: int) -> None:
        done = self._run.done
        with done.timed("probe_seconds"):
            place = ScoredAt("probe_own", self._stage.index - 1, trained_tokens, point)
            done.scores.add(place, self._set, evaluate(self._run.learner, self._set))
        self._run.told.tell_scores(done.scores)
