"""All parts of a reproduction in a small quadratic world."""

import contextlib

from farsighted.launch.observers import Silent
from farsighted.paper.reproduce import run_target
from farsighted.paper.worlds import World

SMALL = (
    "quadratic={stages: [a, b, c], train: 128, validation: 30, ood: 20, proxy: 4}",
    "probe={steps: 2, points: 2, items: 30}",
    "statistics.resamples=50",
)
WORLD = World("quadratic", 2, 1)


def watch(prepared, done):
    return contextlib.nullcontext(Silent())


def reproduce_all(out):
    assert run_target("all", WORLD, out, 1, watch, SMALL) == ()
    return out
