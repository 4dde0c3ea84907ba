"""Positions that a GGUF file stretches, put into the words of a configuration: transformers' reader loses them.

Two kinds are put back, and the second only where the numbers of the file come out: `linear`, by one factor (in Gemma 3
for its layers with full attention), and the frequencies of Llama 3.1 and later, which the file holds as a table.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from transformers import PretrainedConfig

_LLAMA3: Final = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""What all models of that kind have been released with; only the factor differs."""
_FULL: Final = "full_attention"


def restore(config: PretrainedConfig, said: Mapping[str, object], table: np.ndarray | None) -> str | None:
    """Put what a file says of stretched positions into a configuration; returns what cannot be, None where all is.

    Args:
        config: Made from the file; changed in place.
        said: Single values of the file, by name.
        table: The file's factor of each frequency, None where it has none.
    """
    factor = _value(said, ".rope.scaling.factor") or _value(said, ".rope.scale_linear")
    kind = next((value for name, value in said.items() if name.endswith(".rope.scaling.type")), "linear")
    if table is not None and np.any(table != 1):
        return _restore_table(config, table.astype(np.float64))
    if factor in {None, 0.0, 1.0} or kind == "none" or _is_said(config.rope_parameters):
        return None
    if kind != "linear":
        return f"rope.scaling.type {kind}"
    rope = dict(config.rope_parameters)
    if _FULL in rope:
        rope[_FULL] = {**rope[_FULL], "rope_type": "linear", "factor": factor}
    else:
        rope |= {"rope_type": "linear", "factor": factor}
    config.rope_parameters = rope
    return None


def _restore_table(config: PretrainedConfig, table_F: np.ndarray) -> str | None:
    theta = config.rope_parameters.get("rope_theta")
    factor = round(float(table_F.max()), 3)
    if theta is None or not np.allclose(_llama3(len(table_F), float(theta), factor), table_F, rtol=1e-3):
        return "rope_freqs.weight"
    config.rope_parameters = {"rope_type": "llama3", "rope_theta": theta, "factor": factor, **_LLAMA3}
    return None


def _llama3(count: int, theta: float, factor: float) -> np.ndarray:
    """Return what each frequency is divided by: 1 for fast ones, `factor` for slow ones, and a ramp between them."""
    wavelength_F = 2 * math.pi * theta ** (np.arange(count) / count)
    low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
    turns_F = _LLAMA3["original_max_position_embeddings"] / wavelength_F
    smooth_F = np.clip((turns_F - low) / (high - low), 0, 1)
    divisor_F: np.ndarray = 1 / ((1 - smooth_F) / factor + smooth_F)
    return divisor_F


def _value(said: Mapping[str, object], ending: str) -> float | None:
    found = next((value for name, value in said.items() if name.endswith(ending)), None)
    return float(found) if isinstance(found, int | float) else None


def _is_said(rope: object) -> bool:
    if not isinstance(rope, dict):
        return False
    return rope.get("rope_type", "default") != "default" or any(_is_said(inner) for inner in rope.values())
