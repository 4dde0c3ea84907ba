"""Named, independent random streams (spec §1): every draw can be traced to a seed, a name and a position.

A stream is addressed, not advanced: `stream(seed, "selector", stage, round)` is the same generator however the run
got there, so an interrupted run needs no saved generator to go on bit for bit.
"""

from typing import Final, Literal, get_args

import numpy as np

StreamName = Literal["data", "selector", "init", "dropout", "eval"]
STREAM_NAMES: Final[tuple[StreamName, ...]] = get_args(StreamName)


def stream(seed: int, name: StreamName, *position: int) -> np.random.Generator:
    """Return the generator of one named stream at one position (for example stage and round).

    Equal to spawning `len(STREAM_NAMES)` children from `SeedSequence(seed)`, taking the one of `name`, and spawning
    from it again along `position`.

    >>> bool(stream(0, "data").random() == stream(0, "data").random())
    True
    >>> bool(stream(0, "data").random() == stream(0, "selector").random())
    False
    """
    key = (STREAM_NAMES.index(name), *position)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
