"""Which audits a table, a figure or a claim needs, and in which worlds they can be run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

Target = Literal["table1", "table2", "table3", "figure2", "figure3", "figure4", "claims", "all"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)


class World(NamedTuple):
    """A controlled world: a preset, and how many seeds each part of the grid gets."""

    preset: str
    seeds: int
    """Seeds of the main part: order canonical, 25 %, LoRA."""
    other_seeds: int
    """Seeds of all other parts."""


WORLDS: Final[Mapping[str, World]] = MappingProxyType(
    {"quadratic": World("quadratic", 20, 8), "tiny-lm": World("tiny-lm", 8, 3)}
)

Part = Literal["main", "budgets", "full", "orders"]
_GRID: Final[Mapping[Part, tuple[str, ...]]] = MappingProxyType(
    {
        "main": ("budgets=[25%]", "adaptations=[lora]", "orders=[canonical]"),
        "budgets": ("budgets=[10%,50%]", "adaptations=[lora]", "orders=[canonical]"),
        "full": ("budgets=[25%]", "adaptations=[full]", "orders=[canonical]"),
        "orders": ("budgets=[25%]", "adaptations=[lora]", "orders=[reversed,{random: 2}]"),
    }
)
_NEEDS: Final[Mapping[Target, tuple[Part, ...]]] = MappingProxyType(
    {
        "table1": ("main",),
        "table2": ("main",),
        "table3": ("main", "budgets"),
        "figure2": ("main",),
        "figure3": ("main", "budgets", "full"),
        "figure4": ("main", "orders"),
        "claims": ("main", "budgets", "full", "orders"),
        "all": ("main", "budgets", "full", "orders"),
    }
)


def parts_of(target: Target) -> tuple[Part, ...]:
    """Return the parts of the grid that a target compares.

    >>> parts_of("table3")
    ('main', 'budgets')
    """
    return _NEEDS[target]


def overrides_of(world: World, part: Part) -> tuple[str, ...]:
    """Return what makes a world's preset one part of the grid; no table of the paper has references."""
    count = world.seeds if part == "main" else world.other_seeds
    return (*_GRID[part], f"seeds={list(range(count))}", "references=[]")
