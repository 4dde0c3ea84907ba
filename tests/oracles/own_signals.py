"""A signal of each kind of provider, and selectors that read them: what anyone may write in a file of their own."""

from dataclasses import dataclass

import numpy as np

from farsighted import Scored, Seen, register_signal


def prompt_share(seen: Seen) -> np.ndarray:
    """Share of an example's characters that are its prompt's.

    The sum is never 0: an example has a response.
    """
    lengths = [(len(example.prompt), len(example.prompt) + len(example.response)) for example in seen.examples]
    return np.array([prompt / both for prompt, both in lengths])


def surprise(seen: Seen) -> np.ndarray:
    """Largest NLL of a response token, nats."""
    return np.array([nll_L.max() for nll_L in seen.tokens["token_nll"]])


def pull(seen: Seen) -> np.ndarray:
    """Norm of the gradient for each nat of NLL."""
    return seen.rows["grad_norm"] / (seen.rows["nll"] + 1e-6)


def learned(seen: Seen) -> np.ndarray:
    """NLL after the first epoch of the warm-up run minus that after the last, nats."""
    nll_NE = seen.rows["nll"]
    return nll_NE[:, 0] - nll_NE[:, -1]


def irreducible(seen: Seen) -> np.ndarray:
    """NLL under the reference model, nats."""
    return seen.rows["nll"]


register_signal("prompt_share", shape=("N",), cost="text", needs=(), provider=prompt_share)
register_signal("surprise", shape=("N",), cost="forward", needs={"token_nll"}, provider=surprise)
register_signal("pull", shape=("N",), cost="backward", needs={"grad_norm", "nll"}, provider=pull)
register_signal("learned", shape=("N",), cost="warm_up", needs={"nll"}, provider=learned)
register_signal("irreducible", shape=("N",), cost="reference", needs={"nll"}, provider=irreducible)

KINDS = {
    "text": "prompt_share",
    "forward": "surprise",
    "backward": "pull",
    "warm_up": "learned",
    "reference": "irreducible",
}
"""Cost to the name of the signal above that has it."""


@dataclass(frozen=True)
class Reads(Scored):
    """Prefers candidates of which one signal is large."""

    signal: str
    """Its name."""

    @property
    def needs(self):
        return frozenset({self.signal})

    def score(self, signals, state):
        return signals[self.signal].astype(np.float64)
