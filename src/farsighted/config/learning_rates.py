"""Peak learning rates that nothing states: each adaptation of each kind of model has one that does no harm.

*Reference:* definitions.md#learning-rate.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from farsighted.core.adaptations import PREFIX, Settings, kind_of, settings_of

TINY_RATE: Final = 2e-3
_QUADRATIC: Final = 24.0
"""Times 1/r: a random subspace of rank r in d dimensions shrinks squared lengths, and curvature with them, to r/d."""


class Rate(NamedTuple):
    """A peak learning rate, and the sentence part that says where it comes from."""

    value: float
    origin: str


_LORA: Final = Rate(2e-4, "Dettmers et al. 2023, QLoRA")
_PRE_TRAINED: Final[Mapping[str, Rate]] = {
    "lora": _LORA,
    "full": Rate(1e-5, "Zhou et al. 2023, LIMA"),
    "ia3": Rate(3e-3, "Liu et al. 2022, T-Few"),
    "bottleneck": Rate(3e-4, "Houlsby et al. 2019"),
}
_VIRTUAL: Final[Mapping[str, Rate]] = {
    # With AdamW; Lester et al. 2021 take 0.3 with Adafactor, whose steps are relative to the size of a parameter.
    "prompt_tuning": Rate(1e-2, "ours: PEFT's own example takes 3e-2"),
    "p_tuning": Rate(1e-3, "PEFT's own example of P-tuning"),
}
"""Virtual tokens start far from where they end, and move no weight of the model: what it is makes little difference."""
_PREFIX: Final = Rate(1e-2, "Liu et al. 2022, P-tuning v2")
_PROJECTED: Final = Rate(1e-3, "ours: Li & Liang 2021 take 5e-5 over ten passes")


def virtual_rate(mode: str, peft: Mapping[str, Settings]) -> Rate | None:
    """Return the default of an adaptation by virtual tokens, None for others."""
    kind = kind_of(mode, peft)
    if kind == PREFIX:
        return _PROJECTED if settings_of(mode, peft).get("prefix_projection") else _PREFIX
    return _VIRTUAL.get(kind)


def default_rate(mode: str, peft: Mapping[str, Settings], *, shipped: bool) -> Rate:
    """Return the default of an adaptation of a language model: the shipped one, or any other, taken as pre-trained."""
    virtual = virtual_rate(mode, peft)
    if virtual is not None:
        return Rate(virtual.value, f"the default of {mode}: {virtual.origin}")
    if shipped:
        return Rate(TINY_RATE, "the default of the model that ships with the package")
    found = _PRE_TRAINED.get(kind_of(mode, peft), _LORA)
    return Rate(found.value, f"the default of {mode} on a pre-trained model: {found.origin}")


def quadratic_rate(rank: int) -> Rate:
    """Return the default of the quadratic world, where all its dimensions are the rank of full training."""
    return Rate(_QUADRATIC / rank, f"the default of the quadratic world at rank {rank}")
