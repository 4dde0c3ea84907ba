"""Claim 11: the paper's theory, checked on random problems (docs/theory.md has the whole story)."""

from typing import Final

import numpy as np

from farsighted.metrics.corollary import check_concentration
from farsighted.metrics.theory import OrderCheck, Share, Sizes, check_order, draw_problems
from farsighted.paper.findings import Finding, Outcome, all_of

_PAIRS: Final = 20_000
_STEP: Final = 0.01
"""Step size that counts as small, in units of 1 over the largest curvature."""
_PRECISE: Final = 1e-12
_RIGHT: Final = 0.99
_CHANCE: Final = 0.5


def theory_finding(pairs: int = _PAIRS) -> Finding:
    """Return what became of Proposition 1 for small steps and of the corollary of B.2 under a broad future.

    The proposition as it is stated, for any step size, has counterexamples; its proof asks for a small one, and so does
    this check.
    """
    rng = np.random.default_rng(0)
    order = check_order(draw_problems(rng, Sizes(pairs)), _STEP)
    broad = check_concentration(rng, pairs, width=16)
    return all_of(
        "Proposition 1 and the corollary of B.2 hold numerically",
        [
            _identity(order),
            _share(f"linear terms order next-stage losses at a step of {_STEP}", order.predicted, _RIGHT),
            _share("the larger top-eigenvalue share has the larger variance, broad future", broad, _CHANCE),
        ],
    )


def _identity(order: OrderCheck) -> Finding:
    outcome: Outcome = "holds" if order.residual < _PRECISE else "fails"
    room = -float(np.log10(max(order.residual, np.finfo(float).tiny)))
    return Finding("Eq. 8 is an identity", outcome, room, room, room, "digits", bound=-float(np.log10(_PRECISE)))


def _share(text: str, share: Share, bound: float) -> Finding:
    low, high = share.interval.low, share.interval.high
    outcome: Outcome = "holds" if low > bound else "fails" if high < bound else "undecided"
    return Finding(text, outcome, share.value, low, high, "of pairs", bound)
