"""Dropout masks from a generator of ours, though layers know no other than torch's global ones."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def masks_from(dropout: np.random.Generator, device: torch.device) -> Iterator[None]:
    """Let what layers on `device` draw come from `dropout`, and give torch's generators their states back afterwards.

    A GPU has a generator of its own: one that is put back but not seeded would give every step the same masks.
    """
    seed = int(dropout.integers(2**62))
    gpus = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        for generator in (torch.default_generator, *(torch.cuda.default_generators[gpu] for gpu in gpus)):
            generator.manual_seed(seed)
        if device.type == "mps":
            torch.mps.manual_seed(seed)
        yield
