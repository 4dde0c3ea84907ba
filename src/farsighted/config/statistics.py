"""What is made of the scores: the weights of the summaries, and how uncertain the numbers are."""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from farsighted.config.fields import LIST, Section, distinct, listed
from farsighted.config.messages import expectation
from farsighted.core.verdicts import Correction
from farsighted.metrics.horizon import are_weights


class LongHorizonConfig(Section):
    """Weights of the long-horizon score (definitions.md#long-horizon-score); not all 0."""

    final_average: float = Field(default=1, ge=0)
    """Weight of the final average."""
    future_auc: float = Field(default=1, ge=0)
    """Weight of the future-adaptation area."""
    forgetting: float = Field(default=1, ge=0)
    """Weight of 1 − forgetting."""
    ood: float = Field(default=1, ge=0)
    """Weight of the shifted sets."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not are_weights(self.final_average, self.future_auc, self.forgetting, self.ood):
            raise expectation("a set of weights with one above 0", 0, "Raise one of them.")
        return self


class ULongConfig(Section):
    """Weights of Eq. 2."""

    alpha: float = Field(default=1, ge=0)
    """Weight of the future."""
    beta: float = Field(default=1, ge=0)
    """Weight of retention."""
    gamma: float = Field(default=1, ge=0)
    """Weight of the shifted sets."""


class SmallestEffectConfig(Section):
    """The smallest differences that matter; an interval wholly within ± these is small (definitions.md#verdict)."""

    now: float = Field(default=0.5, ge=0)
    """Of current scores, in points."""
    later: float = Field(default=0.005, ge=0)
    """Of long-horizon scores, 0 to 1."""


class StatisticsConfig(Section):
    """How uncertain the numbers are."""

    resamples: int = Field(default=10_000, ge=1)
    """Bootstrap resamples over items × seeds; a report takes more where the smallest corrected level needs more."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of every interval."""
    reference: Annotated[tuple[str, ...], BeforeValidator(listed), LIST, AfterValidator(distinct)] = ("random",)
    """Label of the selector that the others are compared to, or several, the headline's first; the first is one of
    `selectors`. Rows under `references` follow by themselves."""
    correction: Correction = "holm"
    """What is done about how many verdicts there are: holm, benjamini-hochberg or none."""
    smallest_effect: SmallestEffectConfig = SmallestEffectConfig()
    """The smallest differences that matter."""
