"""Fair times: contestants take turns within one run, and what counts is the ratio within a round."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

Times = Mapping[str, np.ndarray]
"""Seconds of every repeat, by contestant."""


def race(contestants: Mapping[str, Callable[[], Any]], repeats: int, device: str) -> Times:
    """Time callables: once each to warm up, then `repeats` rounds in which each has one turn.

    The order is drawn anew for every round, from a fixed seed: whoever runs first leaves caches and memory behind, and
    nobody shall follow the same one every time.

    On a CUDA device every turn ends with the device's work.
    """
    for run in contestants.values():
        seconds_of(run, device)
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        with _uncollected():
            for name in rng.permutation(list(contestants)).tolist():
                taken[name].append(seconds_of(contestants[name], device))
    return {name: np.array(seconds) for name, seconds in taken.items()}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch and BLAS use a number of threads, then restore the earlier setting."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        torch.set_num_threads(before)


def seconds_of(run: Callable[[], Any], device: str = "cpu") -> float:
    """Return what one call takes, the device's work included."""
    _synchronise(device)
    began = time.perf_counter()
    run()
    _synchronise(device)
    return time.perf_counter() - began


@contextmanager
def _uncollected() -> Iterator[None]:
    """Collect garbage now and not again inside, where it would be charged to whoever is running."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
