"""Every forward signal from the hidden states of one forward pass: what a learner calls after its forward.

The head of a frozen language model does not change during a run, so what is derived from it (`WᵀW`, `WᵀS`) and every
random map is built once, as `HeadMaps`. A trained head asks for new `HeadMaps` from a generator in the same state:
random maps stay the same, only what contains weights changes.

*Reference:* definitions.md#signals.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from farsighted.signals.forward import Positions, Ragged
from farsighted.signals.head import (
    LogitMap,
    build_logit_map,
    gram_of_head,
    logit_sketch,
    nuclear_norm,
    root_of_gram,
)
from farsighted.signals.logit_pass import LOGIT_READINGS, LOGIT_SIGNALS, logit_signals
from farsighted.signals.logits import Head
from farsighted.signals.sketch import TwoSided, draw_two_sided
from farsighted.signals.table import SKETCH_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class HeadMaps:
    """What is computed or drawn once per head; None where no need asks for it."""

    head: Head
    root_DD: Tensor | None = None
    """C with `WᵀW = C Cᵀ`, for `nuclear_norm` (float64); None for a head with a bias or a soft-cap too."""
    logit: LogitMap | None = None
    """For `logit_sketch`."""
    sketch: TwoSided | None = None
    """For `head_sketch`: the map of a V × D matrix."""


def build_head_maps(head: Head, generator: np.random.Generator, needs: Collection[str]) -> HeadMaps:
    """Build what the needed signals ask for; the maps drawn do not depend on which needs are named.

    Args:
        head: the output head; its tensors say device and dtype.
        generator: a fresh generator of the audit, the same for every cell; two numbers are drawn from it.
        needs: names of signals; those that need no map are ignored.
    """
    logit_generator, sketch_generator = (np.random.default_rng(seed) for seed in generator.integers(2**63, size=2))
    head = head.detached()
    vocabulary, width = head.weight_VD.shape
    wants_sketch = "head_sketch" in needs or "proxy_sketch" in needs
    device = head.weight_VD.device
    return HeadMaps(
        head,
        root_of_gram(gram_of_head(head)) if "nuclear_norm" in needs and head.is_linear else None,
        build_logit_map(head, logit_generator) if "logit_sketch" in needs else None,
        draw_two_sided(sketch_generator, (vocabulary, width), SKETCH_SIDE, device) if wants_sketch else None,
    )


def forward_signals(
    ragged: Ragged, maps: HeadMaps, needs: Collection[str], logits_of: Positions | None = None
) -> dict[str, np.ndarray]:
    """Return what is needed of a forward pass as float32 arrays, (N,), (N, width), or (R,) of each response token.

    `hidden` is the mean of the states that predict the response tokens. Values that are not finite are passed on:
    `rank_checked` names the examples.

    Args:
        ragged: response positions of the batch (`gather_response`).
        maps: built with at least these needs.
        needs: any of `FORWARD_READINGS`.
        logits_of: positions whose logits enter nuclear_norm and logit_sketch; the response positions by default.

    *Reference:* definitions.md#hidden.
    """
    unknown = set(needs) - FORWARD_READINGS
    if unknown:
        raise ValueError(f"`needs` must be forward signals, but has {sorted(unknown)}. Take them from another pass.")
    positions = Positions(ragged.hidden_RD, ragged.lengths_B) if logits_of is None else logits_of
    with torch.no_grad():
        of_logits = LOGIT_READINGS.intersection(needs)
        if "head_sketch" in needs and maps.sketch is None:
            raise ValueError(_UNBUILT.format("head_sketch"))
        signals = logit_signals(ragged, maps.head, of_logits, maps.sketch) if of_logits else {}
        signals |= {name: _matrix_signal(name, ragged, positions, maps) for name in _MATRIX_SIGNALS.intersection(needs)}
    return {name: signals[name].float().cpu().numpy() for name in sorted(signals)}


_MATRIX_SIGNALS: Final = frozenset({"hidden", "nuclear_norm", "logit_sketch"})
FORWARD_SIGNALS: Final = LOGIT_SIGNALS | _MATRIX_SIGNALS
"""The signals that `forward_signals` can compute."""
FORWARD_READINGS: Final = LOGIT_READINGS | _MATRIX_SIGNALS
"""All that `forward_signals` can compute."""
_UNBUILT: Final = "`maps` must be built for '{}'. Name it in the needs of `build_head_maps`."


def _matrix_signal(name: str, ragged: Ragged, positions: Positions, maps: HeadMaps) -> Tensor:
    """Return a signal that needs no logits."""
    if name == "hidden":
        return ragged.mean(ragged.hidden_RD)
    if name == "nuclear_norm" and (maps.root_DD is not None or not maps.head.is_linear):
        return nuclear_norm(positions, maps.head, maps.root_DD)
    if name == "logit_sketch" and maps.logit is not None:
        return logit_sketch(positions, maps.head, maps.logit)
    raise ValueError(_UNBUILT.format(name))
