"""Refusals that keep a broken number from passing for a result."""

from collections.abc import Sequence

import numpy as np

from farsighted.core.errors import DivergedError, FarsightedError
from farsighted.core.values import Tokens


class BudgetViolationError(FarsightedError):
    """Trained tokens left the band that all selectors must keep to; this is a defect, never a setting."""


def check_budget(spent: float, target: float, longest: float) -> None:
    """Refuse where the trained amount is not within one example of its target (spec §1)."""
    if not target - longest - 1e-6 <= spent <= target + longest + 1e-6:
        raise BudgetViolationError(
            f"Trained {spent:g} against a target of {target:g}; the longest candidate has {longest:g}. "
            "All selectors must be trained on the same amount: please report this."
        )


def check_finite(what: str, values_N: np.ndarray, batch: Sequence[Tokens], where: str) -> None:
    """Raise `DivergedError`, naming the examples, where a value is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(values_N))
    if len(bad):
        names = [batch[int(row)].example.id for row in bad]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise DivergedError(
            f"{what} is not finite {where} for {listed}. Lower `training.learning_rate`, or look at these examples.",
            names,
        )
