"""Named, independent random streams: every draw can be traced to a seed, a name and a position.

A stream is addressed, not advanced: `stream(seed, "selector", stage, round)` is the same generator however the run
got there, so an interrupted run needs no saved generator to go on bit for bit.

*Reference:* definitions.md#random-streams.
"""

from typing import Final, Literal, get_args

import numpy as np

StreamName = Literal["data", "selector", "init", "dropout", "eval"]
STREAM_NAMES: Final[tuple[StreamName, ...]] = get_args(StreamName)

# First positions. A stage's index is one too (1, 2, ...): what is drawn beside the stages begins far beyond them.
SUITE: Final = 1001
"""`data`: examples of the controlled skills."""
SPLITS: Final = 1002
"""`data`: validation, proxy and shifted sets that are cut from files."""
ORDERS: Final = 1003
"""`data`: random orders of the stages."""
QUADRATIC_WORLD: Final = 1004
"""`data`: geometry and examples of the quadratic world."""
INTERLEAVING: Final = 1004
"""`data`: what neighbouring pools share. The number is that of the quadratic world, whose pools come from no files and
are never interleaved: the two never meet, and a new number would change the results of one of them."""
MAP_DESIGN: Final = 1101
"""`data`: points of the phase map."""
MAP_SEEDS: Final = 1102
"""`data`: seeds of the worlds of the phase map."""
MAP_SAMPLE: Final = 1103
"""`eval`: examples that the place of a pool is measured on."""
MAP_FOLDS: Final = 1104
"""`eval`: folds that rules of thumb are tested on."""

# Second positions, behind a stage's index; a stage has fewer rounds and steps than that.
NEUTRAL_PROBE: Final = 1_000_000
"""`data`, `dropout`: the neutral probe of the stage."""
REPLAYED: Final = 2_000_000
"""`data`: the order in which examples of earlier stages are offered again."""
WARM_UP: Final = 3_000_000
"""`data`, `dropout`: the warm-up run over the stage's pool; followed by the epoch or the step."""

# The bootstrap draws from seed 0, whatever the audit's seeds are: equal artifacts give equal intervals.
ITEM_RESAMPLES: Final = 0
"""`eval`: items drawn again."""
SEED_RESAMPLES: Final = 1
"""`eval`: seeds drawn again; followed by the seeds themselves."""

# Gradient sketches must be the same for every cell: their maps have a seed of their own.
GRADIENT_MAPS: Final = 0
"""`init`: random maps of the gradients of trained parameters."""
HEAD_MAPS: Final = 1
"""`init`: random maps of the head's gradients and of logits."""


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
