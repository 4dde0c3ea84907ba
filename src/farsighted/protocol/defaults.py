"""What an audit trains with where its configuration leaves it open, and the sentences that say so.

*Reference:* definitions.md#probes, definitions.md#learning-rate.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from farsighted.config.audit import AuditConfig
from farsighted.data.cut import share_of
from farsighted.protocol.inputs import AuditInputs
from farsighted.training.budget import RoundSettings, plan_stage


class PlannedSteps(NamedTuple):
    """Optimizer steps of a stage under a budget."""

    stage: str
    budget: str
    steps: int


def planned_steps(config: AuditConfig, inputs: AuditInputs) -> Iterator[PlannedSteps]:
    """Yield the steps of each stage that a probe trains on, under each budget; one that is always first is left out."""
    training = config.training
    settings = RoundSettings(training.granularity, training.rounds, training.batch_size)
    probed = {name for order in inputs.orders.values() for name in order[1:]}
    for budget, stage in itertools.product(config.budgets, inputs.stages.values()):
        if stage.name in probed:
            rounds = plan_stage(np.ones(len(stage.pool)), share_of(budget, stage.pool), settings)
            yield PlannedSteps(stage.name, str(budget), sum(round_.steps for round_ in rounds))


def with_probe_length(config: AuditConfig, inputs: AuditInputs) -> AuditConfig:
    """Return the configuration with the probe's length in it: one for all cells, so that their curves compare."""
    if config.probe.steps is not None:
        return config
    shortest = min((planned.steps for planned in planned_steps(config, inputs)), default=None)
    most = config.probe.step_count
    steps = most if shortest is None else max(1, min(most, shortest // 2))
    probe = config.probe.model_copy(update={"steps": steps, "points": min(config.probe.points, steps)})
    return config.model_copy(update={"probe": probe})


def short_stages(config: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Return a sentence for each stage that is over before its own probe is; a stage that is first has none."""
    return tuple(
        f"'{planned.stage}' has {planned.steps} optimizer steps under a budget of {planned.budget}, fewer than "
        f"`probe.steps` ({config.probe.step_count}): its own-probe curve is not complete and is not used."
        for planned in planned_steps(config, inputs)
        if planned.steps < config.probe.step_count
    )


def training_lines(asked: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Return a sentence for each peak learning rate and for the probe's length, each with where it comes from."""
    return (*(_rate_line(asked, mode) for mode in asked.adaptations), *_probe_lines(asked, inputs))


def training_notes(asked: AuditConfig, inputs: AuditInputs) -> tuple[str, ...]:
    """Return those of `training_lines` that tell of something the configuration does not say itself."""
    rates = [mode for mode in asked.adaptations if asked.training.learning_rate is None]
    chosen = asked.probe.steps is None and with_probe_length(asked, inputs).probe.steps != asked.probe.step_count
    return (
        *(_rate_line(asked, mode) for mode in rates),
        *(line for line in _probe_lines(asked, inputs) if chosen or "longer than half" in line),
    )


def _rate_line(config: AuditConfig, mode: str) -> str:
    rate = config.peak_rate(mode)
    return f"{mode} trains at a peak learning rate of {rate.value:g} ({rate.origin})."


def _probe_lines(asked: AuditConfig, inputs: AuditInputs) -> Iterator[str]:
    planned = list(planned_steps(asked, inputs))
    if not planned:
        return
    steps = with_probe_length(asked, inputs).probe.step_count
    shortest = min(planned, key=lambda found: found.steps)
    trains = f"The neutral probe trains {steps} optimizer step{'s' if steps > 1 else ''}"
    short = f"'{shortest.stage}' has {shortest.steps} under a budget of {shortest.budget}"
    if asked.probe.steps is None:
        capped = steps < asked.probe.step_count
        limit = "half of the shortest stage that is probed, at least one" if capped else "the default"
        yield f"{trains} ({limit}: {short})."
    elif 2 * steps > shortest.steps:
        yield (
            f"{trains} (`probe.steps`), longer than half of the shortest stage: {short}. What it measures is then "
            "training of its own, more than what the stages left."
        )
    else:
        yield f"{trains} (`probe.steps`; {short})."
