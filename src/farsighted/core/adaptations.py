"""Kinds of adaptations, as far as they are known without the libraries that build them.

*Reference:* definitions.md#adaptations.
"""

from collections.abc import Mapping
from typing import Final

Settings = Mapping[str, object]

BOTTLENECK: Final = "bottleneck"
PREFIX: Final = "prefix_tuning"
VIRTUAL: Final = frozenset({PREFIX, "prompt_tuning", "p_tuning"})
"""Kinds that put trained virtual tokens before every text."""
VIRTUAL_TOKENS: Final = 20
"""How many there are unless `num_virtual_tokens` says otherwise: the smallest number in Lester et al. 2021 that comes
near their best at every size of model."""

_NAMED: Final[Mapping[str, Settings]] = {
    # Li & Liang 2021 train a projection; Liu et al. 2022 (P-tuning v2) found that it can be left out.
    PREFIX: {"peft_type": PREFIX, "prefix_projection": True},
    "p_tuning_v2": {"peft_type": PREFIX, "prefix_projection": False},
    "dora": {"peft_type": "lora", "use_dora": True},
    "rslora": {"peft_type": "lora", "use_rslora": True},
    "pissa": {"peft_type": "lora", "init_lora_weights": "pissa"},
}
"""What some names stand for, where their settings have no `peft_type`."""


def settings_of(mode: str, peft: Mapping[str, Settings]) -> dict[str, object]:
    """Return the settings under `peft` of an adaptation, with those that its name stands for."""
    own = peft.get(mode, {})
    named = _NAMED.get(mode, {}) if "peft_type" not in own else {}
    return {**named, **own}


def kind_of(mode: str, peft: Mapping[str, Settings]) -> str:
    """Return an adaptation's kind, in small letters: lora, full, bottleneck, or a type of PEFT.

    >>> kind_of("p_tuning_v2", {}), kind_of("mine", {"mine": {"peft_type": "P_TUNING"}}), kind_of("qlora", {})
    ('prefix_tuning', 'p_tuning', 'lora')
    """
    return "lora" if mode == "qlora" else str(settings_of(mode, peft).get("peft_type", mode)).lower()


def virtual_tokens(mode: str, peft: Mapping[str, Settings]) -> int:
    """Return how many virtual tokens an adaptation puts before every text; 0 for most.

    >>> virtual_tokens("lora", {}), virtual_tokens("p_tuning", {"p_tuning": {"num_virtual_tokens": 8}})
    (0, 8)
    """
    if kind_of(mode, peft) not in VIRTUAL:
        return 0
    count = settings_of(mode, peft).get("num_virtual_tokens", VIRTUAL_TOKENS)
    return count if isinstance(count, int) else VIRTUAL_TOKENS
