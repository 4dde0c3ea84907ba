"""Signals of candidates, with the time that they took."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class TimedSignals(NamedTuple):
    """Signals, and what computing them took, whoever did it."""

    rows: Mapping[str, np.ndarray]
    seconds: float
    kept: object | None = None
    """What the learner kept of the pass for a step on some of the batch (`learners.base.SinglePass`)."""
