"""In which order examples of earlier stages are offered again."""

from typing import Final

import numpy as np

from farsighted.core.rng import stream

_REPLAY: Final = 2_000_000
"""Position in the `data` stream, out of reach of a stage's rounds."""


def replay_order(seed: int, index: int, number: int, count: int) -> np.ndarray:
    """Return all `count` examples of earlier stages in uniformly random order, for round `number` of stage `index`.

    The draw is addressed, not advanced, so it is the same however the run got there; rounds draw independently.
    """
    return stream(seed, "data", index, _REPLAY, number).permutation(count)
