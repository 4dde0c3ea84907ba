"""Numbers as JSON can hold them."""

import math
from typing import SupportsFloat


def number_or_none(value: SupportsFloat | None) -> float | None:
    """Return a number, or None for what JSON has no number for: NaN, infinity and nothing at all.

    >>> number_or_none(0.5), number_or_none(float("nan")), number_or_none(None)
    (0.5, None, None)
    """
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
