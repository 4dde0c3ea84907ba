"""The quadratic world: what it is made of. Every example is one direction with one target.

*Reference:* definitions.md#quadratic-world.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farsighted.config.fields import Name, Section
from farsighted.config.messages import expectation


class QuadraticConfig(Section):
    """A world without a language model, in which a cell takes a second; sizes are per stage.

    Of `lora` its rank counts, of `training` the optimizer's settings: plain gradient descent.
    """

    stages: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = (
        "general",
        "math",
        "code",
        "reasoning",
        "safety",
    )
    """Names of the stages, in canonical order."""
    dimensions: int = Field(default=48, ge=2)
    """d: width of an example's direction, and parameters under full training."""
    clusters: int = Field(default=8, ge=2)
    """Capabilities; each owns a subspace."""
    cluster_dimensions: int = Field(default=4, ge=2)
    """Dimensions of a capability's subspace; one half is common, the other rare."""
    overlap: tuple[float, float] = Field(default=(0.3, 0.6), strict=False)
    """Range of the share that a capability's subspace has in the directions that all have in common."""
    own: int = Field(default=2, ge=1)
    """Capabilities that a stage is about: its validation set asks for them alone."""
    alignment: float = Field(default=0.4, ge=0, le=1)
    """Share of a pool that is spread evenly over all capabilities; 1 = all stages have the same pool."""
    redundancy: float = Field(default=0.3, ge=0, le=1)
    """Share of a pool that nearly repeats one of a few prototypes."""
    noise: float = Field(default=3.0, ge=0)
    """Standard deviation of the error in the target of an example of quality 0; it falls to 0 at quality 1."""
    conflict: float = Field(default=0.5, ge=0, le=1)
    """How far capabilities disagree about what they have in common; 0 = one parameter vector fits all."""
    scale: float = Field(default=2.0, gt=0)
    """Standard deviation of targets: 2 gives an untrained model a score of about 45."""
    embedding_noise: float = Field(default=0.3, ge=0)
    """Length of the error in an embedding, whose true part has length 1."""
    train: int = Field(default=1280, ge=1)
    """Training examples per stage."""
    validation: int = Field(default=200, ge=1)
    """Validation examples per stage, without noise."""
    ood: int = Field(default=100, ge=0)
    """Examples of each shifted set: rare directions, mixed with another capability's."""
    proxy: int = Field(default=16, ge=0)
    """Proxy examples per stage, for selectors that look ahead."""
    proxy_kind: Literal["right", "first_stage", "shuffled"] = "right"
    """What the proxy tells of: the capabilities of every stage; those of the first alone; or, wrongly, targets that
    belong to other examples of the set."""

    @model_validator(mode="after")
    def _dimensions_fit(self) -> Self:
        needed = (self.clusters + 2) * self.cluster_dimensions
        if self.dimensions < needed:
            must = f"at least (clusters + 2) x cluster_dimensions = {needed}"
            raise expectation(must, self.dimensions, "Raise it, or have fewer clusters.", ("dimensions",))
        if self.own > self.clusters:
            raise expectation(f"at most `clusters` ({self.clusters})", self.own, "Lower it.", ("own",))
        low, high = self.overlap
        if not 0 <= low <= high < 1:
            raise expectation("two shares, 0 <= low <= high < 1", list(self.overlap), "Write [0.3, 0.6].", ("overlap",))
        if len(set(self.stages)) < len(self.stages):
            raise expectation("a list of distinct names", list(self.stages), "Rename one.", ("stages",))
        return self
