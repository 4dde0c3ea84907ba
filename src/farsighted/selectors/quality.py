"""Selection by an external judgement of quality."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from farsighted.core.values import Signals, State
from farsighted.selectors.base import Scored, supplied
from farsighted.selectors.table import register


@register("quality")
@dataclass(frozen=True)
class Quality(Scored):
    """Prefer examples that were judged good: by a metadata field, a rule, a reward model or an LLM judge.

    s(x) = quality of x, in whatever unit it was given. An example without one is an error, never a zero.
    *Reference:* definitions.md#quality-selector; paper, section 4.
    """

    family: ClassVar[str] = "quality"
    needs = frozenset({"quality"})

    def score(self, signals: Signals, state: State) -> np.ndarray:
        """Return the quality of every candidate, (N,); raises `SelectorError` where one has none."""
        return supplied(signals, "quality")
