"""Where the selectors of one seed cross their common thresholds: the tokens that each needs on the next stage.

Leading axes `...` are none for the measured values and (B,) for the replicates. Letters: T tasks, B resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from farsighted.metrics import adaptation
from farsighted.metrics.adaptation import Crossing
from farsighted.results.set_scores import CurveScores


@dataclass(frozen=True, slots=True)
class Crossings:
    """Where a selector and the reference selector cross the thresholds of all stages; tokens are (..., T-1) each."""

    own: Crossing
    reference: Crossing

    @property
    def tokens(self) -> np.ndarray:
        """What the selector needs, summed over stages, (...)."""
        return np.asarray(self.own.tokens.sum(axis=-1))

    @property
    def ratio(self) -> np.ndarray:
        """The same relative to the reference selector, (...)."""
        return adaptation.threshold_ratio(self.own, self.reference).ratio

    @property
    def stages(self) -> int:
        """How many stages are behind it."""
        return int(self.own.tokens.shape[-1])

    @property
    def censored(self) -> int:
        """Stages whose probe ended below the threshold, as measured; if any, the true ratio is higher."""
        return int(self.own.censored.sum())

    @property
    def reference_censored(self) -> int:
        """The same of the reference selector; if any, the true ratio is lower."""
        return int(self.reference.censored.sum())


def crossings(curves: Mapping[str, tuple[CurveScores, ...]], reference: str) -> dict[str, Crossings]:
    """Return where each selector crosses the common thresholds, beside the reference selector.

    `curves` holds the neutral probe's curves of the selectors of one seed, the reference among them, all of the same
    stages. The threshold of a stage is common to them.
    """
    thresholds = [
        adaptation.common_threshold([curve.scores_P for curve in stage]) for stage in zip(*curves.values(), strict=True)
    ]
    found = {}
    for name, own in curves.items():
        met = [
            adaptation.tokens_to_threshold(curve.tokens_P, curve.scores_P, threshold)
            for curve, threshold in zip(own, thresholds, strict=True)
        ]
        tokens, censored = (np.stack(part, axis=-1) for part in zip(*met, strict=True))
        found[name] = Crossing(tokens, censored)
    return {name: Crossings(own, found[reference]) for name, own in found.items()}
