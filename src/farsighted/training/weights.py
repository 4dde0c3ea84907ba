"""Importance weights inside one optimizer step (docs/definitions.md#importance-weights).

Shape letters: M examples of a step, P those of them that are trained on.
"""

from typing import Final, NamedTuple

import numpy as np

from farsighted.core.errors import SelectorError

_LOST: Final = 1e-9
"""Share of the mean weight below which an example's gradient is lost in the rounding of the sum."""


class Weighed(NamedTuple):
    """What a learner is given of a step."""

    places: np.ndarray
    """(P,) places, among the step's examples, of those that are trained on."""
    weight: np.ndarray | None
    """(P,) what their losses are multiplied by; None: the selector gives no weights."""


def weighed(length_M: np.ndarray, weight_M: np.ndarray | None) -> Weighed:
    """Return which examples of a step are trained on, and with which weights; `length_M`: their response tokens.

    The gradient of a step is that of sum w n l / sum n over its M examples, where n is an example's response tokens, l
    their mean NLL, and w the weight divided by the mean weight of the M. So weights average 1 and the learning rate
    keeps its meaning. An example of weight 0 is not run: its tokens count for the budget and in the divisor, and it
    is not in the sample of gradient sketches.

    Raises:
        SelectorError: All weights are 0.
    """
    if weight_M is None:
        return Weighed(np.arange(len(length_M)), None)
    if not weight_M.any():
        raise SelectorError(
            f"An optimizer step must have an example with a weight above 0, but all {len(length_M)} of this one have "
            "0. Give every example that may be selected a weight above 0."
        )
    # By the largest first: a sum of large weights may be beyond the range of floats.
    relative_M = weight_M / weight_M.max()
    relative_M = relative_M / relative_M.mean()
    places = np.flatnonzero(relative_M > _LOST)
    # A learner divides by the tokens of what it is given; the step's are those of all M.
    return Weighed(places, relative_M[places] * (float(length_M[places].sum()) / float(length_M.sum())))
