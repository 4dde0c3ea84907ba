"""A warm-up run: a short training run over a pool whose course tells of each example what a single look cannot.

Shape letters: N examples, E epochs.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from farsighted.candidates.pool_work import PoolWork
from farsighted.core.rng import WARM_UP, stream
from farsighted.core.values import Tokens
from farsighted.learners.base import Learner


@dataclass(frozen=True, slots=True)
class WarmUpRun:
    """What is trained, and how long."""

    epochs: int
    """E: passes over the examples trained on, at least 1."""
    share: float
    """Share of the pool that is trained on, in (0, 1]; all of it is recorded."""
    batch_size: int
    """Examples of one optimizer step."""


def warm_up(
    learner: Learner,
    pool: Sequence[Tokens],
    readings: frozenset[str],
    run: WarmUpRun,
    place: tuple[int, int],
    before_step: Callable[[], None],
) -> PoolWork:
    """Train on a pool and record signals of all its examples after each epoch; the learner is left as it was found.

    Args:
        learner: The start model; its optimizer is dropped.
        pool: The N examples.
        readings: Built-in signals to record, (N, E) or (N, E, width) each.
        run: How long.
        place: Seed and number of the stage, from 1: they decide the order of examples, and dropout.
        before_step: Called before every optimizer step; may raise to stop.
    """
    seed, stage = place
    began, start = time.perf_counter(), learner.parameters()
    count = max(1, round(run.share * len(pool)))
    steps = math.ceil(count / run.batch_size)
    trained_rows = stream(seed, "data", stage, WARM_UP).permutation(len(pool))[:count]
    learner.begin_stage(run.epochs * steps)
    records, trained = [], 0
    for epoch in range(run.epochs):
        order = trained_rows[stream(seed, "data", stage, WARM_UP, epoch + 1).permutation(count)]
        for step in range(steps):
            before_step()
            batch = [pool[row] for row in order[step * run.batch_size : (step + 1) * run.batch_size]]
            learner.step(batch, stream(seed, "dropout", stage, WARM_UP, epoch * steps + step))
            trained += sum(tokens.response_length for tokens in batch)
        records.append(learner.signals(pool, readings))
    learner.load_parameters(start)
    rows = {name: np.stack([record[name] for record in records], axis=1) for name in sorted(readings)}
    scored = run.epochs * sum(tokens.response_length for tokens in pool)
    return PoolWork(rows, time.perf_counter() - began, scored, trained)
