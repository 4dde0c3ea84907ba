"""What a budget takes of a pool: its share, what each example costs, and where a ranking is cut.

*Reference:* definitions.md#budget.
"""

from typing import Literal

import numpy as np

from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget, Pool


def share_of(budget: Budget, pool: Pool) -> float:
    """Return the share of the pool that a budget allows; raises `ConfigError` where it exceeds the pool."""
    if budget.kind == "share":
        return budget.amount
    whole = pool.response_tokens if budget.unit == "tokens" else len(pool)
    if budget.amount > whole:
        raise ConfigError(
            f"`budgets`: {budget} is larger than the pool of stage '{pool.name}', which has {whole} {budget.unit}. "
            "Lower the budget or enlarge the pool."
        )
    return budget.amount / whole


def budget_sizes(pool: Pool, unit: Literal["tokens", "examples"]) -> np.ndarray:
    """Return what each example costs of a budget: its response tokens, or 1."""
    if unit == "examples":
        return np.ones(len(pool))
    return pool.response_lengths.astype(np.float64)


def cut(order: np.ndarray, sizes: np.ndarray, spent: float, target: float) -> np.ndarray:
    """Return the shortest prefix of a ranking that brings `spent` to `target`, or all of it.

    The example that crosses the target is taken, so `spent` ends in [target, target + its size).
    """
    missing = target - spent
    # Targets are products of floats: do not take one more example for a rounding error.
    if missing <= 1e-9 * max(target, 1.0):
        return order[:0]
    running = np.cumsum(sizes[order])
    return order[: int(np.searchsorted(running, missing - 1e-9 * max(target, 1.0))) + 1]


def is_far_above(taken: float, target: float, mean_size: float) -> bool:
    """Tell whether so much was taken above a target that it must be said: a mean example, or half of the target.

    Examples are taken whole, so a little more than the target is the rule.
    """
    return taken - target > min(mean_size, target / 2)


def most_picks(sizes: np.ndarray, spent: float, target: float) -> int:
    """Return the largest number of candidates that `cut` takes of any ranking: the smallest ones first."""
    return len(cut(np.argsort(sizes, kind="stable"), sizes, spent, target))
