"""From the intervals of two paired differences, now and later, to a word.

*Reference:* definitions.md#verdict.
"""

import math

from farsighted.core.verdicts import Side, Verdict


def side_of(low: float, high: float, smallest: float) -> Side:
    """Return where the interval of a difference lies; `smallest`: the smallest effect that matters, at least 0.

    An interval wholly within ± `smallest` is small, whichever side of 0 it lies on: an effect that does not matter
    makes no selector better or worse.

    >>> side_of(0.01, 0.03, 0.005), side_of(0.001, 0.003, 0.005), side_of(-0.2, 0.1, 0.005)
    ('above', 'small', 'open')

    Raises:
        ValueError: an end is NaN: what was not measured lies nowhere.
    """
    if math.isnan(low) or math.isnan(high):
        raise ValueError("The interval of a difference must have two ends, but one of them is NaN.")
    if -smallest <= low and high <= smallest:
        return "small"
    if low > 0:
        return "above"
    return "below" if high < 0 else "open"


def verdict_of(later: Side, now: Side) -> Verdict:
    """Return what two differences to a reference amount to: `later` of long-horizon, `now` of current scores.

    Only a loss now that is established counts as one: a difference now that decides nothing is not below 0.

    >>> verdict_of("above", "below"), verdict_of("below", "open"), verdict_of("below", "below")
    ('far-sighted', 'myopic', 'worse')
    """
    if later == "above":
        return "far-sighted"
    if later == "small":
        return "costly" if now == "below" else "harmless"
    if later == "below":
        return "worse" if now == "below" else "myopic"
    return "undecided"
