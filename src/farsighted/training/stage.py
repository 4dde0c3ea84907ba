"""One stage: rank, cut, remember, train, round after round. The only training loop.

*Reference:* definitions.md#steps.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np

from farsighted.candidates.timed import TimedSignals
from farsighted.core.errors import DivergedError
from farsighted.core.rng import stream
from farsighted.core.values import Pool, Signals, State, Tokens
from farsighted.data.cut import budget_sizes, cut, most_picks
from farsighted.learners.base import Learner, SinglePass, StepRecord
from farsighted.selectors import Selector, rank_checked, with_picks
from farsighted.signals.table import CONTEXT_NAMES
from farsighted.training.budget import Round, split_into_steps
from farsighted.training.guards import check_budget
from farsighted.training.proxy import is_old, mean_head_sketch
from farsighted.training.record import RoundPlace, StageRecord, round_table, with_known
from farsighted.training.replay import replay_order
from farsighted.training.weights import weighed

ModelSignals = Callable[[Sequence[Tokens], frozenset[str], int], TimedSignals]
"""Signals of candidates under the current model, given the batch, the names and the round."""


@dataclass(frozen=True, slots=True)
class StageInput:
    """What a stage is run on; the same for every selector of a seed."""

    index: int
    """1-based position in the order of stages."""
    seed: int
    pool: Pool
    known: Mapping[str, np.ndarray]
    """Signals that do not depend on the current model, one row a pool example: embedding, cluster, quality, ..."""
    rounds: tuple[Round, ...]
    unit: Literal["tokens", "examples"]
    proxy: Sequence[Tokens] = ()
    proxy_refresh: int = 10
    """Optimizer steps between two refreshes of the proxy's mean head sketch; it is refreshed at the next round."""
    cluster_count: int = 1
    vocabulary_size: int = 1
    replay_share: float = 0.0
    """Share of every target that is drawn from the replayable examples."""
    replayable: int = 0
    """Examples at the end of the pool that were selected in earlier stages: they come by draw alone."""

    @property
    def arriving(self) -> int:
        """Examples of the stage's own pool."""
        return len(self.pool) - self.replayable

    @property
    def steps(self) -> int:
        """Optimizer steps planned."""
        return sum(round_.steps for round_ in self.rounds)


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is between two steps. With the learner's state it is all that is needed to resume."""

    round: int = 0
    """Rounds finished."""
    spent: float = 0.0
    """Budget units trained."""
    steps: int = 0
    state: State = field(default_factory=dict)
    """The selector's memory."""
    proxy_sketch: np.ndarray | None = None
    record: StageRecord = field(default_factory=StageRecord)
    picked: np.ndarray | None = None
    """(M,) pool rows in ranking order that the round in progress trains on; None between two rounds."""
    picked_weight: np.ndarray | None = None
    """(M,) importance weights of `picked`; None where the selector gives none."""
    round_steps: int = 0
    """Optimizer steps of the round in progress."""
    replayed: float = 0.0
    """Budget units trained on examples of earlier stages."""


class Watcher(Protocol):
    """Looks on while a stage runs; everything optional in a stage is a watcher's business."""

    def before_round(self, progress: StageProgress) -> None:
        """Called at every round boundary; may raise to stop."""

    def before_step(self, progress: StageProgress) -> None:
        """Called before every optimizer step, with the round's picks at hand; may raise to stop.

        Not called before a step that shares its pass with the scoring: the two are one piece of work.
        """

    def after_step(self, steps: int, trained_tokens: int) -> None:
        """Called after every optimizer step with the stage's counts so far."""


class Picks(NamedTuple):
    """What one round selected."""

    rows: np.ndarray
    """(M,) pool rows in ranking order."""
    state: State
    among: np.ndarray
    """(M,) the same as positions among the round's candidates."""
    weight: np.ndarray | None
    """(M,) importance weights."""
    kept: object | None
    """What is left of the scoring pass for the round's one step."""


def arrival_order(seed: int, index: int, count: int) -> np.ndarray:
    """Return the order in which the candidates of a stage arrive: stream `data`, the same for every selector."""
    return stream(seed, "data", index).permutation(count)


def run_stage(
    learner: Learner,
    selector: Selector,
    stage: StageInput,
    progress: StageProgress,
    model_signals: ModelSignals,
    watcher: Watcher,
) -> StageProgress:
    """Run the rounds and steps of a stage that are not done yet; the caller has called `learner.begin_stage`.

    Raises `DivergedError` for non-finite scores, losses or gradients, `ConfigError` where a selector looks at a proxy
    set and there is none, and whatever the watcher raises.
    """
    arrival = arrival_order(stage.seed, stage.index, stage.arriving)
    for number in range(progress.round, len(stage.rounds)):
        picks = None
        if progress.picked is None:
            watcher.before_round(progress)
            rows = _candidates(stage, progress, arrival, number)
            # The overshoot of earlier rounds may have used up a small pool before its last round.
            if len(rows):
                progress = _refresh_proxy(learner, selector, stage, progress)
                picks = _select(selector, stage, progress, np.append(rows, _replayed(stage, progress)), model_signals)
                progress = _spend(stage, progress, picks)
        if picks is not None and picks.kept is not None and isinstance(learner, SinglePass):
            progress = _train_kept(learner, stage, progress, picks, watcher)
        elif progress.picked is not None:
            progress = _train(learner, stage, progress, progress.picked, watcher)
        progress = dataclasses.replace(progress, round=number + 1, picked=None, picked_weight=None, round_steps=0)
    return progress


def _spend(stage: StageInput, progress: StageProgress, picks: Picks) -> StageProgress:
    sizes = budget_sizes(stage.pool, stage.unit)
    spent = progress.spent + float(sizes[picks.rows].sum())
    check_budget(spent, stage.rounds[progress.round].target, float(sizes.max()))
    replayed = progress.replayed + float(sizes[picks.rows[picks.rows >= stage.arriving]].sum())
    progress = dataclasses.replace(progress, picked=picks.rows, picked_weight=picks.weight)
    return dataclasses.replace(progress, spent=spent, replayed=replayed, state=picks.state)


def _candidates(stage: StageInput, progress: StageProgress, arrival: np.ndarray, number: int) -> np.ndarray:
    arrivals = stage.rounds[number].arrivals
    if arrivals is not None:
        start = sum(round_.arrivals or 0 for round_ in stage.rounds[:number])
        return arrival[start : start + arrivals]
    chosen = set(progress.record.chosen_ids())
    named = zip(arrival, stage.pool.ids_of(arrival), strict=True)
    return np.array([row for row, name in named if name not in chosen], dtype=np.intp)


def _replayed(stage: StageInput, progress: StageProgress) -> np.ndarray:
    """Draw as few examples of earlier stages as bring what was replayed to its share of the round's target."""
    rows = stage.arriving + replay_order(stage.seed, stage.index, progress.round, stage.replayable)
    sizes, target = budget_sizes(stage.pool, stage.unit), stage.rounds[progress.round].target
    return cut(rows, sizes, progress.replayed, stage.replay_share * target)


def _select(
    selector: Selector, stage: StageInput, progress: StageProgress, rows: np.ndarray, model_signals: ModelSignals
) -> Picks:
    needs = _model_needs(selector, stage)
    timed = TimedSignals({}, 0.0)
    if needs:
        timed = model_signals([stage.pool.tokens[row] for row in rows], needs, progress.round)
    began = time.perf_counter()
    sizes, target = budget_sizes(stage.pool, stage.unit)[rows], stage.rounds[progress.round].target
    signals = _gather(selector, stage, progress, rows, timed.rows)
    signals = with_picks(signals, most_picks(sizes, progress.spent, target))
    rng = stream(stage.seed, "selector", stage.index, progress.round)
    ranking = rank_checked(selector, signals, progress.state, rng)
    picked = cut(ranking.order, sizes, progress.spent, target)
    state = selector.observe(progress.state, signals.take(picked))
    scored = int(stage.pool.response_lengths[rows].sum()) if needs else 0
    progress.record.add_scoring(scored, timed.seconds + time.perf_counter() - began)
    place = RoundPlace(stage.pool.name, stage.index, progress.round, progress.steps)
    progress.record.tables.append(with_known(round_table(place, stage.pool, rows, ranking, picked), stage.known, rows))
    return Picks(rows[picked], state, picked, _at(ranking.weight, picked), timed.kept)


def _model_needs(selector: Selector, stage: StageInput) -> frozenset[str]:
    return frozenset(selector.needs) - CONTEXT_NAMES - frozenset(stage.known)


def _gather(
    selector: Selector,
    stage: StageInput,
    progress: StageProgress,
    rows: np.ndarray,
    from_model: Mapping[str, np.ndarray],
) -> Signals:
    known = {name: stage.known[name][rows] for name in selector.needs & frozenset(stage.known)}
    context = {"cluster_count": np.array(stage.cluster_count), "vocabulary_size": np.array(stage.vocabulary_size)}
    if progress.proxy_sketch is not None:
        context["proxy_sketch"] = progress.proxy_sketch
    return Signals(tuple(stage.pool.ids_of(rows)), {**known, **from_model}, context)


def signals_of(learner: Learner, rounds: Sequence[Round]) -> ModelSignals:
    """Return the model signals that a learner computes here and now.

    Where a round's picks are trained on in one step, and the learner can, its pass is kept for that step.
    """

    def compute(batch: Sequence[Tokens], needs: frozenset[str], number: int) -> TimedSignals:
        began = time.perf_counter()
        if rounds[number].steps == 1 and isinstance(learner, SinglePass) and learner.can_keep(batch, needs):
            found = learner.signals_kept(batch, needs)
            return TimedSignals(found.rows, time.perf_counter() - began, found.kept)
        rows = learner.signals(batch, needs)
        return TimedSignals(rows, time.perf_counter() - began)

    return compute


def _refresh_proxy(learner: Learner, selector: Selector, stage: StageInput, progress: StageProgress) -> StageProgress:
    if "proxy_sketch" not in selector.needs:
        return progress
    if progress.proxy_sketch is not None and not is_old(stage.rounds, progress.round, stage.proxy_refresh):
        return progress
    began = time.perf_counter()
    sketch_K = mean_head_sketch(learner, selector, stage.proxy)
    tokens = sum(item.response_length for item in stage.proxy)
    progress.record.add_scoring(tokens, time.perf_counter() - began)
    return dataclasses.replace(progress, proxy_sketch=sketch_K)


def _train(
    learner: Learner, stage: StageInput, progress: StageProgress, picked: np.ndarray, watcher: Watcher
) -> StageProgress:
    shuffle = _shuffle(stage, progress.round, len(picked))
    shuffled, weight_M = picked[shuffle], _at(progress.picked_weight, shuffle)
    lengths, steps = stage.pool.response_lengths[shuffled], stage.rounds[progress.round].steps
    for places in split_into_steps(np.arange(len(shuffled)), lengths, steps)[progress.round_steps :]:
        watcher.before_step(progress)
        rows = shuffled[places]
        part = weighed(lengths[places], _at(weight_M, places))
        dropout = stream(stage.seed, "dropout", stage.index, progress.steps)
        batch = [stage.pool.tokens[row] for row in rows[part.places]]
        step = partial(learner.step, batch, dropout, part.weight)
        progress = _stepped(step, stage, progress, rows, watcher)
    return progress


def _train_kept(
    learner: SinglePass, stage: StageInput, progress: StageProgress, picks: Picks, watcher: Watcher
) -> StageProgress:
    shuffle = _shuffle(stage, progress.round, len(picks.rows))
    if not len(shuffle):
        return progress
    rows = picks.rows[shuffle]
    part = weighed(stage.pool.response_lengths[rows], _at(picks.weight, shuffle))
    step = partial(learner.step_kept, picks.kept, picks.among[shuffle][part.places], part.weight)
    return _stepped(step, stage, progress, rows, watcher)


def _at(weight_N: np.ndarray | None, places: np.ndarray) -> np.ndarray | None:
    return None if weight_N is None else weight_N[places]


def _shuffle(stage: StageInput, number: int, count: int) -> np.ndarray:
    return stream(stage.seed, "data", stage.index, number).permutation(count)


def _stepped(
    step: Callable[[], StepRecord], stage: StageInput, progress: StageProgress, rows: np.ndarray, watcher: Watcher
) -> StageProgress:
    """Take a step on pool rows and write it down; of the rows, those of weight 0 count for the budget alone."""
    began = time.perf_counter()
    try:
        taken = step()
    except DivergedError:
        # The step that failed is part of the record, as the one without a loss.
        progress.record.losses.append(math.nan)
        raise
    seconds = time.perf_counter() - began
    keys = stream(stage.seed, "eval", stage.index, progress.steps).random(len(taken.sketch))
    tokens = int(stage.pool.response_lengths[rows].sum())
    progress.record.add_step(taken, keys, tokens, seconds)
    progress = dataclasses.replace(progress, steps=progress.steps + 1, round_steps=progress.round_steps + 1)
    watcher.after_step(progress.steps, progress.record.trained_tokens)
    return progress
