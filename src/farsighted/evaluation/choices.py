"""Multiple choice by likelihood."""

from collections.abc import Sequence

import numpy as np

from farsighted.core.values import Tokens


def choice_hits(items: Sequence[Tokens], options: Sequence[Sequence[Tokens]], option_nll: np.ndarray) -> np.ndarray:
    """Return (I,) 1.0 where the gold option is the likeliest, 0.0 where not, NaN where there are no options.

    `option_nll`: summed negative log-likelihoods of all options, item after item. Ties go to the first option.
    """
    hits = np.full(len(items), np.nan)
    start = 0
    for row, (item, texts) in enumerate(zip(items, options, strict=True)):
        if texts:
            nll = option_nll[start : start + len(texts)]
            hits[row] = float(int(np.argmin(nll)) == item.example.answer_index)
            start += len(texts)
    return hits
