"""Refusals that keep a broken number from passing for a result."""

from farsighted.core.errors import FarsightedError


class BudgetViolationError(FarsightedError):
    """Trained tokens left the band that all selectors must keep to; this is a defect, never a setting."""


def check_budget(spent: float, target: float, longest: float) -> None:
    """Refuse where the trained amount is not within one example of its target (definitions.md#budget)."""
    if not target - longest - 1e-6 <= spent <= target + longest + 1e-6:
        raise BudgetViolationError(
            f"Trained {spent:g} against a target of {target:g}; the longest candidate has {longest:g}. "
            "All selectors must be trained on the same amount: please report this."
        )
