"""A number with its bootstrap replicates: arithmetic keeps what was drawn together, together.

Letters: B resamples, K selectors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, or a number made of such means, with the same number of every resample."""

    value: float
    """NaN where it was not measured."""
    replicates_B: np.ndarray
    seeds: int = 0
    """Seeds behind it; of a number made of several, the fewest."""
    why: str = ""
    """Why there is no value or no interval; empty where there are both."""

    @classmethod
    def missing(cls, why: str) -> "Estimate":
        """Return the estimate of what was not measured; every number made of it is missing for the same reason."""
        return cls(float("nan"), np.full(1, np.nan), 0, why)

    def __add__(self, other: "Estimate") -> "Estimate":
        return combine(np.add, (self, other))

    def __sub__(self, other: "Estimate") -> "Estimate":
        return combine(np.subtract, (self, other))

    def __mul__(self, factor: float) -> "Estimate":
        return Estimate(factor * self.value, factor * self.replicates_B, self.seeds, self.why)

    def __abs__(self) -> "Estimate":
        return Estimate(abs(self.value), np.abs(self.replicates_B), self.seeds, self.why)


def combine(function: Callable[..., np.ndarray], parts: Sequence[Estimate]) -> Estimate:
    """Return a function of some estimates, applied to their values and, resample by resample, to their replicates."""
    why = next((part.why for part in parts if part.why), "")
    value = float(function(*(np.float64(part.value) for part in parts)))
    replicates_B = np.asarray(function(*(part.replicates_B for part in parts)))
    return Estimate(value, replicates_B, min(part.seeds for part in parts), why)


def combine_rows(function: Callable[..., np.ndarray], *rows: Sequence[Estimate]) -> Estimate:
    """Return a function of one or more rows of K estimates each, handed over as (..., K) arrays."""
    sizes = np.cumsum([len(row) for row in rows])[:-1]

    def of_arrays(*values: np.ndarray) -> np.ndarray:
        stacked_xK = np.stack(np.broadcast_arrays(*values), axis=-1)
        return function(*np.split(stacked_xK, sizes, axis=-1))

    return combine(of_arrays, [part for row in rows for part in row])


def mean_of(parts: Sequence[Estimate]) -> Estimate:
    """Return the mean of some estimates."""
    return combine_rows(lambda values_xK: values_xK.mean(axis=-1), parts)
