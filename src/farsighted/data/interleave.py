"""Neighbouring pools that share examples, so that the boundaries between stages blur (definitions.md#stage-orders)."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from farsighted.core.errors import ConfigError
from farsighted.core.rng import INTERLEAVING, stream
from farsighted.core.values import Example


def interleaved(pools: Sequence[tuple[Example, ...]], overlap: float, seed: int) -> list[tuple[Example, ...]]:
    """Return pools of the same sizes of which every two neighbours share a fraction of their examples.

    Each of two neighbours takes half of what they share from the other, drawn uniformly, in the place of as many of its
    own, drawn from what no neighbour takes. A guest whose id the pool has already gets another: "train:7 (stage 2)".

    Args:
        pools: In canonical order.
        overlap: Shared examples over the size of the smaller pool of the two, 0 to 0.5.
        seed: Decides what is exchanged.

    Raises:
        ConfigError: A pool too small for an exchange on both sides.
    """
    rng = stream(seed, "data", INTERLEAVING)
    halves = [round(overlap * min(len(a), len(b)) / 2) for a, b in itertools.pairwise(pools)]
    orders = [rng.permutation(len(pool)) for pool in pools]
    left, right = [0, *halves], [*halves, 0]
    found = []
    for place, (pool, order) in enumerate(zip(pools, orders, strict=True)):
        # Of an order, the first are lent to the left, the next to the right, and the last make room.
        lent, taken = left[place] + right[place], left[place] + right[place]
        if lent + taken > len(pool):
            raise ConfigError(
                f"`data.overlap: {overlap:g}` needs pools that can lend and take {lent} examples, but one has "
                f"{len(pool)}. Lower it, or add training examples."
            )
        own = [pool[row] for row in np.sort(order[: len(pool) - taken])]
        guests = []
        if left[place]:
            other = left[place - 1]
            guests += _guests(pools, orders, place - 1, slice(other, other + left[place]))
        if right[place]:
            guests += _guests(pools, orders, place + 1, slice(right[place]))
        found.append(_with_guests(own, guests))
    return found


def _guests(
    pools: Sequence[tuple[Example, ...]], orders: Sequence[np.ndarray], place: int, part: slice
) -> list[tuple[int, Example]]:
    """Return what a pool lends, each with the number of its stage."""
    return [(place + 1, pools[place][row]) for row in np.sort(orders[place][part])]


def _with_guests(own: Sequence[Example], guests: Sequence[tuple[int, Example]]) -> tuple[Example, ...]:
    """Return one pool with distinct ids.

    Rows without an id are known by file name and line, and every stage may have a file of the same name.
    """
    pool = {example.id: example for example in own}
    for number, guest in guests:
        found = replace(guest, id=f"{guest.id} (stage {number})") if guest.id in pool else guest
        pool[found.id] = found
    return tuple(pool.values())
