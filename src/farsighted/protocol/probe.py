"""Future adaptation: how fast does the model that a selector leaves behind learn the next stage?

*Reference:* definitions.md#future-adaptation-auc.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from farsighted.config.audit import AuditConfig, ProbeConfig
from farsighted.core.rng import NEUTRAL_PROBE, stream
from farsighted.evaluation.sets import EvaluationSet, evaluate
from farsighted.learners.base import Learner
from farsighted.protocol.inputs import StageInputs
from farsighted.protocol.scores import ScoredAt, ScoreRows


def probe_points(probe: ProbeConfig) -> tuple[int, ...]:
    """Return the step counts after which a probe is evaluated, the one at 0 left out; spread evenly, last = `steps`.

    >>> probe_points(ProbeConfig(steps=8, points=4))
    (2, 4, 6, 8)
    """
    return tuple(sorted({round(probe.step_count * (k + 1) / probe.points) for k in range(probe.points)}))


def probe_set(stage: StageInputs, config: AuditConfig) -> EvaluationSet:
    """Return the items of a stage's validation set that probes are evaluated on.

    Options are compared only where the stage's score reads them: each costs a forward pass of its own.
    """
    items = stage.validation.thinned(config.probe.items)
    return items if items.score_reads_options else items.without_options()


class Probed(NamedTuple):
    """What a neutral probe did beside its curve."""

    trained_tokens: int
    """Response tokens."""
    losses: tuple[float, ...]
    grad_norms: tuple[float, ...]


def run_neutral_probe(
    learner: Learner, stage: StageInputs, config: AuditConfig, position: tuple[int, int, int], scores: ScoreRows
) -> Probed:
    """Train a branch of the model on a random subset of the next stage and record its curve.

    `position`: seed, finished stages, steps that the next stage is planned with. The subset depends on the seed and the
    stage alone, so every selector's model is probed with the same examples; the learner is left as it was found.
    """
    seed, after_stage, planned = position
    before: Mapping[str, np.ndarray] = learner.parameters()
    items = probe_set(stage, config)
    order = stream(seed, "data", after_stage + 1, NEUTRAL_PROBE).permutation(len(stage.pool))
    size, trained, point = config.training.batch_size, 0, 0
    scores.add(ScoredAt("probe_neutral", after_stage), items, evaluate(learner, items))
    losses: list[float] = []
    norms: list[float] = []
    learner.begin_stage(max(planned, config.probe.step_count))
    for step in range(config.probe.step_count):
        rows = order[np.arange(step * size, (step + 1) * size) % len(order)]
        batch = [stage.pool.tokens[row] for row in rows]
        taken = learner.step(batch, stream(seed, "dropout", after_stage + 1, NEUTRAL_PROBE, step))
        losses.append(float(taken.loss))
        norms.append(float(taken.grad_norm))
        trained += sum(tokens.response_length for tokens in batch)
        if step + 1 in probe_points(config.probe):
            point += 1
            scores.add(ScoredAt("probe_neutral", after_stage, trained, point), items, evaluate(learner, items))
    learner.load_parameters(before)
    return Probed(trained, tuple(losses), tuple(norms))
