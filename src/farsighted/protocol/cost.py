"""What an audit will cost, from a few rounds of the real thing on the machine it will run on."""

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from farsighted.candidates.pool_work import PoolWork
from farsighted.config.audit import AuditConfig
from farsighted.core.values import Budget, Pool
from farsighted.data.cut import budget_sizes, share_of
from farsighted.evaluation.sets import evaluate
from farsighted.learners.base import EXACT_AT_START, Learner
from farsighted.protocol.inputs import AuditInputs, StageInputs
from farsighted.protocol.plan import Cell
from farsighted.protocol.pool_signals import PoolSignals, StartModel
from farsighted.protocol.scores import ScoredAt, ScoreRows
from farsighted.protocol.shared import Known
from farsighted.protocol.stages import stage_input
from farsighted.signals.registry import Cost
from farsighted.signals.table import pool_signals_of, readings_of
from farsighted.store.writer import table_bytes
from farsighted.training.stage import StageProgress, arrival_order, run_stage, signals_of

_ROUNDS = 2
"""Candidate batches that are timed, after one to warm up."""
_ITEMS = 32
"""Items of the evaluation that is timed."""


@dataclass(frozen=True)
class Rates:
    """What was measured of one kind of cell."""

    label: str
    adaptation: str
    budget: str
    seconds_per_candidate: float
    """Selection and training, per candidate that arrives."""
    seconds_per_trained: float
    """Training alone, per example trained on."""
    seconds_per_item: float
    """Evaluation, per item."""
    budget_factor: float
    """Tokens trained for one token of budget: 1, and more for compute-matched random."""
    bytes_per_candidate: float
    bytes_per_item: float
    once_seconds: Mapping[str, float] = field(default_factory=dict)
    """Of signals that are found once for a pool, per candidate of it, by the cost of the signal."""


@dataclass(frozen=True)
class AuditCost:
    """What a grid will cost."""

    cells: int
    candidates: int
    trained_tokens: int
    """Response tokens that the budgets allow, probes aside."""
    scored_tokens: int
    """Response tokens of the candidates, each counted once a cell, whether or not the selector looks at them, and those
    that reference models and warm-up runs score."""
    seconds: float
    """Wall-clock time with the number of workers asked for."""
    disk_bytes: float
    warm_up_tokens: int = 0
    """Response tokens that warm-up runs train on, beside what the budgets allow."""


def measure_rates(cell: Cell, learner: Learner, config: AuditConfig, inputs: AuditInputs) -> Rates:
    """Run a few rounds of a cell's first stage and one evaluation."""
    budget = str(cell.budget)
    stage = inputs.stages[cell.stages[0]]
    # The part of the pool that is timed may be smaller than an absolute budget.
    cell = dataclasses.replace(cell, budget=Budget(share_of(cell.budget, stage.pool), cell.budget.unit))
    part = _part(stage, cell, config)
    known = dict.fromkeys(inputs.stages, _known(part, learner))
    shortened = dataclasses.replace(inputs, stages={**inputs.stages, stage.name: part})
    given = stage_input(cell, 1, learner, config, shortened, known)
    finder = PoolSignals(config, shortened, StartModel(learner, cell.adaptation, cell.seed), None, lambda: None)
    once = {
        cost: finder.of_pool(names, stage.name, part.pool)
        for cost, names in pool_signals_of(cell.selector.needs).items()
    }
    own = {name: rows for work in once.values() for name, rows in work.rows.items()}
    given = dataclasses.replace(given, known={**given.known, **own})
    learner.begin_stage(given.steps)
    watcher = _Clock()
    start = StageProgress(state=cell.selector.init())
    end = run_stage(learner, cell.selector, given, start, signals_of(learner, given.rounds), watcher)
    finish = time.perf_counter()
    # The first round warms up; with a single round there is nothing else to go by.
    warm = 1 if len(watcher.starts) > 1 else 0
    tables = end.record.tables[warm:]
    candidates = sum(table.num_rows for table in tables)
    scores = ScoreRows()
    validation = stage.validation.thinned(_ITEMS)
    scores.add(ScoredAt("validation", 1), validation, evaluate(learner, validation))
    items = len(validation.items)
    return Rates(
        label=cell.label,
        adaptation=cell.adaptation,
        budget=budget,
        seconds_per_candidate=(finish - watcher.starts[warm]) / candidates,
        seconds_per_trained=end.record.training_seconds / len(end.record.chosen_ids()),
        seconds_per_item=(time.perf_counter() - finish) / items,
        budget_factor=given.rounds[-1].target
        / (cell.budget.amount * float(budget_sizes(given.pool, given.unit).sum())),
        bytes_per_candidate=len(table_bytes(end.record.table())) / end.record.table().num_rows,
        bytes_per_item=len(table_bytes(scores.table())) / items,
        once_seconds={cost: work.seconds / len(part.pool) for cost, work in once.items()},
    )


def estimate(
    cells: Sequence[Cell], rates: Sequence[Rates], config: AuditConfig, inputs: AuditInputs, workers: int
) -> AuditCost:
    """Return the cost of running `cells`; time is the sum over cells, shared out among the workers."""
    rate_of = {(rate.label, rate.adaptation, rate.budget): rate for rate in rates}
    seconds = disk = trained = scored = 0.0
    for cell in cells:
        rate = rate_of[cell.label, cell.adaptation, str(cell.budget)]
        candidates = sum(len(inputs.stages[name].pool) for name in cell.stages)
        items = _items(cell, config, inputs)
        seconds += candidates * rate.seconds_per_candidate + items * rate.seconds_per_item
        seconds += _probed(cell, config) * rate.seconds_per_trained
        disk += candidates * rate.bytes_per_candidate + items * rate.bytes_per_item
        for name in cell.stages:
            pool = inputs.stages[name].pool
            trained += min(1.0, rate.budget_factor * share_of(cell.budget, pool)) * pool.response_tokens
            scored += pool.response_tokens
    embedded = sum(len(stage.pool) for stage in inputs.stages.values())
    once = _once(cells, rate_of, config, inputs)
    seconds += once.seconds
    seconds += embedded * min((rate.seconds_per_item for rate in rates), default=0.0)
    return AuditCost(
        cells=len(cells),
        candidates=sum(len(inputs.stages[name].pool) for cell in cells for name in cell.stages),
        trained_tokens=round(trained),
        scored_tokens=round(scored) + once.scored_tokens,
        warm_up_tokens=once.trained_tokens,
        seconds=seconds / max(1, min(workers, len(cells))),
        disk_bytes=disk,
    )


def _once(
    cells: Sequence[Cell], rate_of: Mapping[tuple[str, str, str], Rates], config: AuditConfig, inputs: AuditInputs
) -> PoolWork:
    """Return what the signals take that are found once for a pool: a warm-up run for each seed, the rest for all.

    A pass of the start model is one for each seed too where the adaptation changes what it computes.
    """
    total, seen = PoolWork({}), set()
    for cell in cells:
        rate = rate_of[cell.label, cell.adaptation, str(cell.budget)]
        for (cost, names), stage in itertools.product(pool_signals_of(cell.selector.needs).items(), cell.stages):
            read = names if cost == "text" else sorted(readings_of(names))
            own = (cell.adaptation, cell.seed) if _is_own(cost, cell, config) else ()
            work = (cost, tuple(read), stage, *own)
            if work not in seen:
                seen.add(work)
                pool = inputs.stages[stage].pool
                total = total.plus(_foretold(cost, pool, config, len(pool) * rate.once_seconds.get(cost, 0.0)))
    return total


def _is_own(cost: Cost, cell: Cell, config: AuditConfig) -> bool:
    """Whether work on a pool depends on the cell's own start model, and not on the base model alone."""
    by_start_model = cost == "reference" and config.signals.reference is None
    return cost == "warm_up" or (by_start_model and cell.adaptation not in EXACT_AT_START)


def _foretold(cost: Cost, pool: Pool, config: AuditConfig, seconds: float) -> PoolWork:
    if cost != "warm_up":
        return PoolWork({}, seconds, pool.response_tokens if cost == "reference" else 0)
    run = config.signals.warm_up
    return PoolWork(
        {}, seconds, run.epochs * pool.response_tokens, round(run.epochs * run.share * pool.response_tokens)
    )


class _Clock:
    """A watcher that notes when rounds begin."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def before_round(self, progress: StageProgress) -> None:
        """Note the time."""
        self.starts.append(time.perf_counter())

    def before_step(self, progress: StageProgress) -> None:
        """Do nothing."""

    def after_step(self, steps: int, trained_tokens: int) -> None:
        """Do nothing."""


def _part(stage: StageInputs, cell: Cell, config: AuditConfig) -> StageInputs:
    """The stage with as much of its pool as a few candidate batches hold."""
    arrivals = round(config.training.batch_size / share_of(cell.budget, stage.pool))
    rows = arrival_order(cell.seed, 1, len(stage.pool))[: arrivals * (_ROUNDS + 1)]
    return dataclasses.replace(stage, pool=Pool(stage.name, tuple(stage.pool.tokens[row] for row in rows)))


def _known(stage: StageInputs, learner: Learner) -> Known:
    """Values of the right shape; only what takes time is real."""
    count = len(stage.pool)
    rows = {
        "embedding": learner.signals(stage.pool.tokens, frozenset({"embedding"}))["embedding"],
        "cluster": np.zeros(count, dtype=np.int32),
        "difficulty": np.zeros(count),
        "quality": np.zeros(count),
        "tokens": stage.pool.response_lengths.astype(np.int32),
    }
    return Known(rows, 0.0, 0, None)


def _probed(cell: Cell, config: AuditConfig) -> int:
    """Examples that a cell's neutral probes train on."""
    return (len(cell.stages) - 1) * config.probe.step_count * config.training.batch_size


def _items(cell: Cell, config: AuditConfig, inputs: AuditInputs) -> int:
    """Items that a cell evaluates: validation sets at every transition, both probes, shifted sets at the end."""
    validation = sum(len(inputs.stages[name].validation.items) for name in cell.stages)
    shifted = sum(len(found.items) for found in inputs.ood_sets)
    probed = sum(min(config.probe.items, len(inputs.stages[name].validation.items)) for name in cell.stages[1:]) * (
        config.probe.points + 1
    )
    return validation * len(cell.stages) + shifted + 2 * probed
