"""In which order examples of earlier stages are offered again."""

import numpy as np

from farsighted.core.rng import REPLAYED, stream


def replay_order(seed: int, index: int, number: int, count: int) -> np.ndarray:
    """Return all `count` examples of earlier stages in uniformly random order, for round `number` of stage `index`.

    The draw is addressed, not advanced, so it is the same however the run got there; rounds draw independently.
    """
    return stream(seed, "data", index, REPLAYED, number).permutation(count)
