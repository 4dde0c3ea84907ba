"""Models that multiply their logits by a constant (Cohere, Granite): their hidden states are multiplied instead."""

import dataclasses
from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn

from farsighted.models.loading import LanguageModel

_FACTORS: Final[Mapping[str, bool]] = {"logit_scale": False, "logits_scaling": True, "lm_head_multiplier": False}
"""What configurations call the constant, and whether logits are divided by it."""


@dataclasses.dataclass(frozen=True, slots=True)
class States:
    """What a trunk gives."""

    last_hidden_state: Tensor


class ScaledTrunk(nn.Module):
    """A trunk whose last hidden states are multiplied by a constant: logits, and all that follows, are exact then."""

    def __init__(self, trunk: nn.Module, factor: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.factor = factor

    def forward(self, ids_BL: Tensor) -> States:
        """Return the states (B, L, D) of ids."""
        return States(self.trunk(ids_BL).last_hidden_state * self.factor)


def scaled_trunk(lm: LanguageModel) -> nn.Module:
    """Return the trunk of a model, with its constant where it has one."""
    config, factor = lm.config.get_text_config(), 1.0
    for name, divides in _FACTORS.items():
        value = getattr(config, name, None)
        if isinstance(value, int | float) and value:
            factor *= 1 / value if divides else value
    return lm.base_model if factor == 1 else ScaledTrunk(lm.base_model, factor)
