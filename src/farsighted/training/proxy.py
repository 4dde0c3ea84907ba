"""The future proxy of selectors that look ahead: a small standing set, seen by the current model."""

from collections.abc import Sequence

import numpy as np

from farsighted.core.errors import ConfigError
from farsighted.core.values import Tokens
from farsighted.learners.base import Learner
from farsighted.selectors import Selector
from farsighted.training.budget import Round


def mean_head_sketch(learner: Learner, selector: Selector, proxy: Sequence[Tokens]) -> np.ndarray:
    """Return the mean head-gradient sketch (K,) of the proxy; raises `ConfigError` where there is none.

    *Reference:* definitions.md#proxy_sketch.
    """
    if not proxy:
        raise ConfigError(
            f"Selector '{selector.name}' looks at a proxy set, but there is none. Set `suite.proxy` or "
            "`data.proxy_per_stage` to a number above 0."
        )
    sketch_NK = learner.signals(proxy, frozenset({"head_sketch"}))["head_sketch"]
    mean_K: np.ndarray = sketch_NK.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean_K


def is_old(rounds: Sequence[Round], number: int, refresh: int) -> bool:
    """Whether the steps planned before a round reach a multiple of `refresh` that those before the last one did not."""
    steps = [sum(round_.steps for round_ in rounds[:before]) for before in (number - 1, number)]
    return number == 0 or steps[0] // refresh < steps[1] // refresh
