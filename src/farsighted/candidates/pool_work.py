"""Work that is done once for a pool, and not of the model that is in training: what it leaves, and what it took."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from farsighted.core.values import Tokens
from farsighted.learners.base import Learner
from farsighted.signals.provided import once_signals


class PoolWork(NamedTuple):
    """Arrays with one row a pool example, and their price."""

    rows: Mapping[str, np.ndarray]
    """(N, ...) each."""
    seconds: float = 0.0
    scored_tokens: int = 0
    """Response tokens of scoring passes."""
    trained_tokens: int = 0
    """Response tokens trained on."""

    def plus(self, other: "PoolWork") -> "PoolWork":
        """Return both together."""
        return PoolWork(
            {**self.rows, **other.rows},
            self.seconds + other.seconds,
            self.scored_tokens + other.scored_tokens,
            self.trained_tokens + other.trained_tokens,
        )


def reference_pass(learner: Learner, pool: Sequence[Tokens], readings: frozenset[str]) -> PoolWork:
    """Score a pool by a model that never changes; returns built-in signals."""
    began = time.perf_counter()
    rows = learner.signals(pool, readings)
    return PoolWork(rows, time.perf_counter() - began, sum(tokens.response_length for tokens in pool))


def signals_from(work: PoolWork, names: Collection[str], pool: Sequence[Tokens]) -> PoolWork:
    """Return the signals that providers make of what the work left, at its price and theirs; raises `SelectorError`."""
    began = time.perf_counter()
    rows = once_signals(names, [tokens.example for tokens in pool], work.rows)
    return work._replace(rows=rows, seconds=work.seconds + time.perf_counter() - began)
