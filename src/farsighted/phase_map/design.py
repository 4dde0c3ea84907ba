"""Where the map is measured: a space-filling design over five axes of the quadratic world.

Points are the beginning of a scrambled Sobol sequence: a longer map contains a shorter one of the same seed.
*Reference:* Sobol 1967; Owen 1998 for the scrambling.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from scipy.stats import qmc
from typing_extensions import TypedDict

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError
from farsighted.core.names import FAMILIES
from farsighted.core.rng import MAP_DESIGN, MAP_SEEDS, stream
from farsighted.store.layout import RESULT_VERSION

SELECTORS: Final = FAMILIES
"""At their defaults."""
REFERENCE: Final = "random"
METRICS: Final = ("immediate_gain", "current", "future_auc", "forgetting", "ood", "worst_task", "long_horizon")
"""What is recorded of a selector, minus the same of `random`. Scores and gain 0..100, AUC and long horizon 0..1."""
NOW: Final = "current"
LATER: Final = "long_horizon"
POINTS: Final = 288
"""Points of a full map: 2,016 cells, some two seconds of one core each seven."""
RESAMPLES: Final = 100
"""Resamples of items behind the standard error of a difference at a point."""


class Axis(NamedTuple):
    """One axis of the design."""

    label: str
    low: float
    high: float
    unit: str = ""


AXES: Final[Mapping[str, Axis]] = {
    "alignment": Axis("alignment", 0.0, 1.0),
    "redundancy": Axis("redundancy", 0.0, 0.9),
    "noise": Axis("noise", 0.0, 6.0),
    "budget": Axis("budget", 5.0, 60.0, "%"),
    "rank": Axis("rank", 2, 48),
}
"""Of the world: `alignment`, `redundancy`, `noise` (see `config.quadratic`), `budgets` and `lora.r`."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the world of a point is; smaller than the preset, so that a point takes seconds."""

    train: int = 640
    """Training examples per stage."""
    validation: int = 120
    """Validation examples per stage; the probe is scored on all of them."""
    ood: int = 60
    """Examples of each shifted set."""
    probe_steps: int = 6
    """Optimizer steps of the probe, each with a point."""


FULL: Final = Sizes()
QUICK: Final = Sizes(train=60, validation=12, ood=8, probe_steps=2)
"""A check that everything runs; its differences are mostly noise."""


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """One world, and what selects and trains in it."""

    number: int
    """Place in the design, from 0."""
    alignment: float
    redundancy: float
    noise: float
    budget: float
    """Percent of a pool's tokens."""
    rank: int
    data_seed: int
    """Seed of the world."""
    seed: int
    """Seed of the cells."""

    @property
    def parameters(self) -> dict[str, float]:
        """The point's place on the axes."""
        return {name: getattr(self, name) for name in AXES}


def design_points(count: int, seed: int) -> tuple[DesignPoint, ...]:
    """Return the first `count` points of the design of a seed.

    Parameters are rounded to 4 decimals (the rank to a whole number), so that a configuration can state them.

    Raises:
        ConfigError: no point is asked for.
    """
    if count < 1:
        raise ConfigError(f"`--points` must be at least 1, but is {count}. A full map has {POINTS}.")
    sequence = qmc.Sobol(len(AXES), rng=stream(seed, "data", MAP_DESIGN))
    # A Sobol sequence is balanced where its length is a power of two, and warns of any other.
    unit_PA = sequence.random_base2((count - 1).bit_length())[:count]
    return tuple(_point(number, unit_A.tolist(), seed) for number, unit_A in enumerate(unit_PA))


def point_config(point: DesignPoint, sizes: Sizes = FULL) -> AuditConfig:
    """Return the audit of a point: the preset `quadratic` with the point's parameters and the map's sizes."""
    return load_config("quadratic", overrides(point, sizes))


def overrides(point: DesignPoint, sizes: Sizes = FULL) -> tuple[str, ...]:
    """Return what to put after `farsighted audit quadratic` for the cells of a point."""
    probe = f"{{steps: {sizes.probe_steps}, points: {sizes.probe_steps}, items: {sizes.validation}}}"
    return (
        *(f"quadratic.{name}={getattr(sizes, name)}" for name in ("train", "validation", "ood")),
        *(f"quadratic.{name}={getattr(point, name)!r}" for name in ("alignment", "redundancy", "noise")),
        f"budgets=[{point.budget!r}%]",
        f"lora.r={point.rank}",
        f"training.learning_rate={_learning_rate(point.rank)!r}",
        f"data.seed={point.data_seed}",
        f"seeds=[{point.seed}]",
        f"selectors=[{','.join(SELECTORS)}]",
        "references=[]",
        f"probe={probe}",
        "cache.megabytes=0",
        f"statistics={{reference: {REFERENCE}, resamples: {RESAMPLES}}}",
    )


def _learning_rate(rank: int) -> float:
    """Return the rate at which a rank lowers the loss as much as the preset's rank does at the preset's rate.

    A random subspace of rank r shrinks squared lengths, and so curvature, to r/d: LoRA's alpha/r does the same.
    """
    preset = load_config("quadratic")
    return preset.learning_rate("lora") * preset.lora.r / rank


class DesignKey(TypedDict):
    """What decides the records of a design."""

    seed: int
    sizes: dict[str, int]
    settings: str
    """Hash of all that its points have in common."""


def identity(seed: int, sizes: Sizes) -> DesignKey:
    """Return what decides the records of a design: two runs with the same identity may share a file."""
    config = point_config(DesignPoint(0, 0.0, 0.0, 0.0, 50.0, 2, 0, 0), sizes)
    settings = config.model_dump(mode="json", exclude={"title", "data_root", "cache", "checkpoint", "full"})
    axes = {name: [axis.low, axis.high] for name, axis in AXES.items()}
    key = fingerprint.of_json([RESULT_VERSION, settings, axes])[:16]
    return {"seed": seed, "sizes": asdict(sizes), "settings": key}


def _point(number: int, unit_A: list[float], seed: int) -> DesignPoint:
    alignment, redundancy, noise, budget, _ = (
        round(axis.low + (axis.high - axis.low) * unit, 4) for axis, unit in zip(AXES.values(), unit_A, strict=True)
    )
    low, high = int(AXES["rank"].low), int(AXES["rank"].high)
    # Every rank from the lowest to the highest has the same share of the axis.
    rank = min(low + int(unit_A[-1] * (high - low + 1)), high)
    data_seed, cell_seed = stream(seed, "data", MAP_SEEDS, number).integers(2**31, size=2).tolist()
    return DesignPoint(number, alignment, redundancy, noise, budget, rank, data_seed, cell_seed)
