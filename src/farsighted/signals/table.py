"""What selectors ask for, and which passes over the model that takes (spec §4: one instrumented pass).

Nothing here imports torch, so that a plan of an audit starts at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from farsighted.core.errors import SelectorError
from farsighted.core.names import did_you_mean

SKETCH_SIDE: Final = 32
"""Width of each side of a gradient sketch; a sketch has its square, 1,024 numbers."""
LOGIT_SKETCH_TIME: Final = 8
"""Width over time of a logit sketch (UDS)."""
LOGIT_SKETCH_FEATURES: Final = 128
"""Width over the vocabulary of a logit sketch (UDS)."""

Cost = Literal["metadata", "forward", "backward", "frozen"]
Width = int | Literal["D"] | None


@dataclass(frozen=True, slots=True)
class SignalKind:
    """What a signal costs and how wide it is."""

    cost: Cost
    """`metadata`: no model. `forward`: a forward pass of the current model. `backward`: that and a backward pass.
    `frozen`: a forward pass of a model that never changes, so once per pool."""
    width: Width = None
    """None for (N,), a number for (N, number), "D" for (N, hidden width of the model)."""
    context: bool = False
    """Whether it belongs to the run and not to a candidate (`Signals.context`)."""


SIGNALS: Final[Mapping[str, SignalKind]] = MappingProxyType(
    {
        "nll": SignalKind("forward"),
        "entropy": SignalKind("forward"),
        "margin": SignalKind("forward"),
        "el2n": SignalKind("forward"),
        "correctness": SignalKind("forward"),
        "head_grad_norm": SignalKind("forward"),
        "head_sketch": SignalKind("forward", SKETCH_SIDE**2),
        "hidden": SignalKind("forward", "D"),
        "nuclear_norm": SignalKind("forward"),
        "logit_sketch": SignalKind("forward", LOGIT_SKETCH_TIME * LOGIT_SKETCH_FEATURES),
        "grad_norm": SignalKind("backward"),
        "grad_sketch": SignalKind("backward", SKETCH_SIDE**2),
        "embedding": SignalKind("frozen", "D"),
        "quality": SignalKind("metadata"),
        "difficulty": SignalKind("metadata"),
        "tokens": SignalKind("metadata"),
        "cluster": SignalKind("metadata"),
        "size": SignalKind("metadata"),
        "origin": SignalKind("metadata"),
        "proxy_sketch": SignalKind("forward", SKETCH_SIDE**2, context=True),
        "cluster_count": SignalKind("metadata", context=True),
        "vocabulary_size": SignalKind("metadata", context=True),
    }
)
"""Every signal that a selector may need. A cluster is `metadata` by cost; where it comes from k-means, it needs
`embedding` once per pool. A size is what the example takes of the budget: its response tokens, or 1. An origin
is the stage, counted from 1, that an example was selected from before; 0 for a candidate of the stage's own pool."""


CONTEXT_NAMES: Final = frozenset(name for name, kind in SIGNALS.items() if kind.context)
"""Signals that belong to the run and not to a candidate."""

POSITIONS: Final = ("response", "non_pad", "all")
"""Positions whose logits can enter `nuclear_norm` and `logit_sketch`; any but the first is written behind a colon."""
_POSITIONED: Final = frozenset({"nuclear_norm", "logit_sketch"})


def at_positions(name: str) -> tuple[str, str]:
    """Return a signal's plain name and its positions.

    >>> at_positions("nuclear_norm:non_pad"), at_positions("nll")
    (('nuclear_norm', 'non_pad'), ('nll', 'response'))
    """
    plain, _, positions = name.partition(":")
    return plain, positions or POSITIONS[0]


def check_needs(needs: Iterable[str]) -> frozenset[str]:
    """Return the needs as a set, or raise `SelectorError` with the nearest name of a signal.

    >>> sorted(check_needs(["nll", "logit_sketch:all"]))
    ['logit_sketch:all', 'nll']
    """
    checked = frozenset(needs)
    known = SIGNALS.keys() | {f"{name}:{positions}" for name in _POSITIONED for positions in POSITIONS[1:]}
    for name in sorted(checked - known):
        raise SelectorError(f"A selector needs the signal '{name}', but there is none. {did_you_mean(name, known)}")
    return checked
