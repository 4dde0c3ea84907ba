"""The course of the learning rate over one stage: warm-up, then the schedule."""

import math
from typing import Literal

ScheduleName = Literal["linear", "cosine", "constant"]


def rate_share(schedule: ScheduleName, step: int, steps: int, warmup: int, first: int = 0) -> float:
    """Return the share of the learning rate at a step, 0..1.

    A linear warm-up over `warmup` steps, then constant, or linear or half a cosine down to 0 at `steps`. The numbers
    are those of the schedules in transformers, to the last bit.

    Args:
        schedule: What follows the warm-up.
        step: Counted from 0.
        steps: Planned in the stage.
        warmup: Steps of the warm-up, part of `steps`.
        first: 0: the warm-up starts at a rate of 0. 1: one step later, so that its first step moves something.

    >>> [rate_share("cosine", step, 4, 2) for step in range(4)]
    [0.0, 0.5, 1.0, 0.5]
    >>> [round(rate_share("linear", step, 4, 1, first=1), 2) for step in range(4)]
    [0.5, 1.0, 0.67, 0.33]

    *Reference:* definitions.md#learning-rate.
    """
    if step < warmup:
        return (step + first) / (warmup + first)
    if schedule == "linear":
        return max(0.0, (steps - step) / max(1, steps - warmup))
    if schedule == "cosine":
        done = (step - warmup) / max(1, steps - warmup)
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * done)))
    return 1.0
