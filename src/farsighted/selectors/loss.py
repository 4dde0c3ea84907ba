"""Selection by the current loss."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from farsighted.core.values import Signals, State
from farsighted.selectors.base import Scored
from farsighted.selectors.table import register


@register("loss")
@dataclass(frozen=True)
class Loss(Scored):
    """Prefer examples that the current model predicts worst.

    s(x) = mean negative log-likelihood of the response tokens, nats.
    *Reference:* definitions.md#loss; Loshchilov & Hutter 2015, without their sampling by rank.
    """

    family: ClassVar[str] = "loss"
    needs = frozenset({"nll"})

    def score(self, signals: Signals, state: State) -> np.ndarray:
        """Return the loss of every candidate, (N,)."""
        return signals["nll"]
