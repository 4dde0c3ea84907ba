"""How a budget becomes rounds (definitions.md#granularity).

Every selector of an audit gets the same rounds, targets and planned optimizer steps. A round's target is cumulative:
what one round trained beyond its target is taken off the next, so after every round the trained tokens of any two
selectors differ by less than one example. A round whose target is met already, after an example longer than a whole
round's share, takes no step.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Granularity = Literal["batch", "round", "stage"]


@dataclass(frozen=True, slots=True)
class Round:
    """One selection round of a stage."""

    arrivals: int | None
    """Number of candidates that arrive for this round and are gone after it; None: all that is left of the pool."""
    target: float
    """Budget units trained by the end of this round, counted from the start of the stage."""
    steps: int
    """Optimizer steps that the round's picks are spread over."""


@dataclass(frozen=True, slots=True)
class RoundSettings:
    """How a stage is cut into rounds."""

    granularity: Granularity = "batch"
    rounds: int = 4
    """Rounds of granularity `round`."""
    batch_size: int = 16
    """Examples of one optimizer step at the budget's share."""


def compute_matched_share(share: float, backward_cost: float) -> float:
    """Return the share that random may train on for what a forward-scored selector costs in all.

    Scoring one candidate costs F, training on it F(1+K): the pass over all candidates buys 1/(1+K) more of the pool.

    *Reference:* definitions.md#random.
    """
    return min(1.0, share + 1 / (1 + backward_cost))


def plan_stage(sizes_N: np.ndarray, share: float, settings: RoundSettings) -> tuple[Round, ...]:
    """Lay out the rounds of a stage; they follow from the pool and the budget alone, never from the selector.

    `sizes_N`: budget units of the candidates (response tokens, or 1 each) in their order of arrival.
    `batch`: candidates arrive in batches of batch_size / share, and each batch gives one optimizer step.
    `round`: what is left of the pool is ranked `rounds` times. `stage`: the whole pool is ranked once.
    The last target is share x pool.
    """
    count, whole = len(sizes_N), float(np.sum(sizes_N))
    if settings.granularity == "batch":
        arrivals = max(1, round(settings.batch_size / share))
        # Batches of nearly equal size: a runt of one candidate would take a whole optimizer step, or none.
        ends = np.cumsum([len(part) for part in np.array_split(sizes_N, max(1, round(count / arrivals)))])
        seen = np.cumsum(sizes_N)[ends - 1]
        starts = np.concatenate([[0], ends[:-1]])
        return tuple(
            Round(int(end - start), share * float(arrived), 1)
            for start, end, arrived in zip(starts, ends, seen, strict=True)
        )
    number = settings.rounds if settings.granularity == "round" else 1
    steps = max(1, round(share * count / number / settings.batch_size))
    return tuple(Round(None, share * whole * (k + 1) / number, steps) for k in range(number))


def scaled(rounds: Sequence[Round], factor: float) -> tuple[Round, ...]:
    """Return the same rounds with every target multiplied: what compute-matched random trains on."""
    return tuple(dataclasses.replace(round_, target=round_.target * factor) for round_ in rounds)


def split_into_steps(picked: np.ndarray, tokens: np.ndarray, steps: int) -> list[np.ndarray]:
    """Split picked rows, in order, into at most `steps` runs of nearly equal tokens; none is empty."""
    if len(picked) == 0:
        return []
    middle = np.cumsum(tokens[picked]) - tokens[picked] / 2
    bucket = np.minimum((middle / tokens[picked].sum() * steps).astype(np.intp), steps - 1)
    return [picked[bucket == number] for number in np.unique(bucket)]
