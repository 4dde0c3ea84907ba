"""The built-in signals, and what selectors may ask for; nothing here imports torch, so that a plan starts at once."""

from collections.abc import Collection, Iterable
from typing import Final

from farsighted.core.errors import SelectorError
from farsighted.core.names import did_you_mean
from farsighted.signals.registry import (
    POSITIONS,
    AsLeft,
    Cost,
    Shape,
    at_positions,
    register_signal,
    signal_named,
    signal_names,
)
from farsighted.signals.registry import SIGNALS as SIGNALS

SKETCH_SIDE: Final = 32
"""Width of each side of a gradient sketch; a sketch has its square, 1,024 numbers."""
LOGIT_SKETCH_TIME: Final = 8
"""Width over time of a logit sketch (UDS)."""
LOGIT_SKETCH_FEATURES: Final = 128
"""Width over the vocabulary of a logit sketch (UDS)."""


def _built_in(name: str, shape: Shape, cost: Cost, text: str) -> None:
    register_signal(name, shape, cost, {name}, AsLeft(name, text))


_SKETCH: Final[Shape] = ("N", SKETCH_SIDE**2)
_built_in("nll", ("N",), "forward", "Mean negative log-likelihood of the response tokens, nats.")
_built_in("entropy", ("N",), "forward", "Mean entropy of the model's prediction over the response tokens, nats.")
_built_in("margin", ("N",), "forward", "Mean of the largest minus the second largest probability of a response token.")
_built_in(
    "el2n", ("N",), "forward", "Mean distance of the predicted probabilities from the true token (Paul et al. 2021)."
)
_built_in("correctness", ("N",), "forward", "Share of the response tokens that the model holds for the most likely.")
_built_in("head_grad_norm", ("N",), "forward", "Norm of the gradient of the NLL with respect to the output head.")
_built_in("head_sketch", _SKETCH, "forward", "Random sketch of that gradient; inner products are unbiased.")
_built_in("hidden", ("N", "D"), "forward", "Mean of the last hidden states that predict the response tokens.")
for _where in POSITIONS:
    _behind = "" if _where == POSITIONS[0] else f":{_where}"
    _tokens = {"response": "the response tokens", "non_pad": "all tokens"}[_where]
    _built_in(f"nuclear_norm{_behind}", ("N",), "forward", f"Nuclear norm of the logits over {_tokens} (UDS).")
    _built_in(
        f"logit_sketch{_behind}",
        ("N", LOGIT_SKETCH_TIME * LOGIT_SKETCH_FEATURES),
        "forward",
        f"Random sketch of the logits over {_tokens} (UDS).",
    )
_built_in("grad_norm", ("N",), "backward", "Norm of the gradient of the NLL with respect to the trained parameters.")
_built_in("grad_sketch", _SKETCH, "backward", "Random sketch of that gradient; inner products are unbiased.")
_built_in("embedding", ("N", "D"), "reference", "Unit vector of the example by the base or a sentence model.")
_built_in("quality", ("N",), "metadata", "Quality in [0, 1]: a label, rule filters, IFD, a judge or a reward model.")
_built_in("difficulty", ("N",), "metadata", "Difficulty in [0, 1]: a label, or the rank of the base model's NLL.")
_built_in("tokens", ("N",), "metadata", "Response tokens, end token included.")
_built_in("cluster", ("N",), "metadata", "Number of the capability cluster: a label, or k-means over `embedding`.")
_built_in("size", ("N",), "metadata", "What the example takes of the budget: its response tokens, or 1.")
_built_in("origin", ("N",), "metadata", "Stage, from 1, that it was selected from before; 0 for the stage's own pool.")
_built_in("proxy_sketch", (SKETCH_SIDE**2,), "forward", "Mean `head_sketch` of the proxy set.")
_built_in("cluster_count", (), "metadata", "Clusters in the whole run.")
_built_in("vocabulary_size", (), "metadata", "Tokens of the vocabulary.")

CONTEXT_NAMES: Final = frozenset(name for name, row in SIGNALS.items() if row.is_context)
"""Signals that belong to the run and not to a candidate."""


def check_needs(needs: Iterable[str]) -> frozenset[str]:
    """Return the needs as a set, or raise `SelectorError` with the nearest name of a signal.

    A signal of an installed package is imported by this.

    >>> sorted(check_needs(["nll", "logit_sketch:non_pad"]))
    ['logit_sketch:non_pad', 'nll']
    """
    checked, known = frozenset(needs), signal_names()
    for name in sorted(checked):
        if name not in known:
            raise SelectorError(f"A selector needs the signal '{name}', but there is none. {did_you_mean(name, known)}")
        signal_named(name)
    return checked


def readings_of(names: Iterable[str]) -> frozenset[str]:
    """Return what the passes must leave for some signals: what their providers read."""
    return frozenset(need for name in names for need in signal_named(name).needs)


def pass_of(name: str) -> str:
    """Return which kind of pass gives a signal: `backward`, or the positions whose logits are looked at.

    Passes of different kinds may differ in the last bits of what they share.

    >>> pass_of("grad_norm"), pass_of("nll"), pass_of("nuclear_norm:non_pad")
    ('backward', 'response', 'non_pad')
    """
    row = signal_named(name)
    if row.cost == "backward":
        return "backward"
    return "+".join(sorted({at_positions(need)[1] for need in row.needs}))


def pool_signals_of(needs: Collection[str]) -> dict[Cost, list[str]]:
    """Return the needed signals that are found once for a pool, by what that costs."""
    found: dict[Cost, list[str]] = {}
    for name in sorted(needs):
        row = signal_named(name)
        if row.is_once:
            found.setdefault(row.cost, []).append(name)
    return found
