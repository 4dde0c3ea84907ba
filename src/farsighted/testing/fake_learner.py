"""A learner without a language model, for tests of selectors, stage loops and reports: a step takes microseconds.

Its world is logistic: every response token of an example is predicted right with probability p = sigmoid(x·w). w (D,)
is all that is trained; x (D,) follows from the example's token ids. So every signal is a formula, and the gradient of
the mean response NLL is −(1 − p) x.

Shape letters: N examples, M of one step, D width.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from farsighted.core import fingerprint
from farsighted.core.errors import DivergedError
from farsighted.core.values import Tokens
from farsighted.learners.base import ChangeInner, Likelihoods, StepRecord, weights_or_ones
from farsighted.signals.provided import provided
from farsighted.signals.registry import at_positions
from farsighted.signals.table import readings_of
from farsighted.signals.token_names import TOKEN_PREFIX, TOKEN_READINGS

_MOMENTUM = 0.9


class FakeLearner:
    """A logistic model trained by gradient descent with momentum, a linear schedule and dropout on the gradient.

    It keeps the whole contract of `learners.base.Learner`: every stage starts with a fresh optimizer, chance comes from
    the generators handed in, and it goes on bit for bit from its parameters and optimizer state.

    Args:
        width: D.
        learning_rate: of the first step of a stage; it falls to 0 over the stage.
        dropout: share of the gradient's coordinates that a step leaves out, in [0, 1).
    """

    backward_cost = 1.0
    vocabulary_size = 2

    def __init__(self, width: int = 16, learning_rate: float = 0.5, dropout: float = 0.1) -> None:
        self.model_hash = fingerprint.of_json(["fake", width])
        self._learning_rate = learning_rate
        self._dropout = dropout
        self._weight_D = np.zeros(width)
        self._momentum_D: np.ndarray | None = None
        self._taken = self._planned = 0

    def next_stage(self, index: int) -> None:
        """Do nothing: w is trained on."""

    def begin_stage(self, steps: int) -> None:
        """Start a stage of `steps` steps: no momentum, the full learning rate."""
        self._momentum_D, self._taken, self._planned = np.zeros_like(self._weight_D), 0, steps

    def signals(self, batch: Sequence[Tokens], needs: frozenset[str]) -> Mapping[str, np.ndarray]:
        """Return the needed model signals, float32; sketches are the gradients themselves, K = D.

        Logits are those of the response, whatever positions a need names behind a colon.

        *Reference:* definitions.md#signals.
        """
        return provided(needs, batch, self._left(batch, readings_of(needs)))

    def _left(self, batch: Sequence[Tokens], readings: frozenset[str]) -> Mapping[str, np.ndarray]:
        x_ND = self.features(batch)
        z_N = x_ND @ self._weight_D
        miss_N = _miss(z_N)
        gradient_ND = -miss_N[:, None] * x_ND
        logit_N = z_N * np.sqrt([tokens.response_length for tokens in batch])
        found = {
            "nll": _loss(z_N),
            "entropy": (1 - miss_N) * _loss(z_N) + miss_N * _loss(-z_N),
            "margin": np.abs(1 - 2 * miss_N),
            "el2n": np.sqrt(2) * miss_N,
            "correctness": z_N > 0,
            "grad_norm": np.linalg.norm(gradient_ND, axis=1),
            "head_grad_norm": np.linalg.norm(gradient_ND, axis=1),
            "grad_sketch": gradient_ND,
            "head_sketch": gradient_ND,
            "hidden": x_ND,
            "embedding": x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True),
            "nuclear_norm": np.abs(logit_N),
            "logit_sketch": logit_N[:, None],
        }
        left = {name: found[at_positions(name)[0].removeprefix(TOKEN_PREFIX)] for name in sorted(readings)}
        # All tokens of a response are alike here.
        lengths = [tokens.response_length for tokens in batch]
        left |= {name: np.repeat(left[name], lengths) for name in readings & TOKEN_READINGS}
        return {name: array.astype(np.float32) for name, array in left.items()}

    def step(
        self, batch: Sequence[Tokens], dropout: np.random.Generator, weight: np.ndarray | None = None
    ) -> StepRecord:
        """Take one step on the weighted mean NLL of response tokens; raises `DivergedError` where it is not finite."""
        if self._momentum_D is None:
            raise RuntimeError("begin_stage must come before step.")
        x_MD = self.features(batch)
        length_M = np.array([tokens.response_length for tokens in batch], dtype=np.float64)
        z_M = x_MD @ self._weight_D
        nll_M = _loss(z_M)
        if not np.isfinite(nll_M).all():
            bad = np.flatnonzero(~np.isfinite(nll_M))
            raise DivergedError.naming("The training loss is not finite", [batch[int(row)].example.id for row in bad])
        sketch_MD = -_miss(z_M)[:, None] * x_MD
        gradient_D = (weights_or_ones(weight, len(batch)) * length_M) @ sketch_MD / length_M.sum()
        kept_D = dropout.random(len(gradient_D)) >= self._dropout
        self._momentum_D = _MOMENTUM * self._momentum_D + gradient_D * kept_D / (1 - self._dropout)
        rate = self._learning_rate * (1 - self._taken / max(self._planned, 1))
        self._weight_D = self._weight_D - rate * self._momentum_D
        self._taken += 1
        loss = float(length_M @ nll_M / length_M.sum())
        return StepRecord(loss, float(np.linalg.norm(gradient_D)), sketch_MD.astype(np.float32))

    def likelihoods(self, texts: Sequence[Tokens]) -> Likelihoods:
        """Score texts; all response tokens of a text are right, or none."""
        z_N = self.features(texts) @ self._weight_D
        length_N = np.array([tokens.response_length for tokens in texts], dtype=np.float64)
        return Likelihoods(_loss(z_N) * length_N, (z_N > 0).astype(np.float64), length_N)

    def parameters(self) -> Mapping[str, np.ndarray]:
        """Return a copy of w."""
        return {"weight": self._weight_D.copy()}

    def load_parameters(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put w back; the optimizer is dropped."""
        self._weight_D, self._momentum_D = arrays["weight"].copy(), None

    def optimizer_state(self) -> Mapping[str, np.ndarray]:
        """Return the momentum and the number of steps taken; empty before the first stage."""
        if self._momentum_D is None:
            return {}
        return {"momentum": self._momentum_D.copy(), "taken": np.array(self._taken)}

    def load_optimizer_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put back what `optimizer_state` returned, after `begin_stage`."""
        if arrays:
            self._momentum_D, self._taken = arrays["momentum"].copy(), int(arrays["taken"])

    def change_inner(
        self, a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], c: Mapping[str, np.ndarray]
    ) -> ChangeInner:
        """Return the inner products of the changes a → b and b → c of w."""
        earlier, later = b["weight"] - a["weight"], c["weight"] - b["weight"]
        return ChangeInner(float(earlier @ later), float(earlier @ earlier), float(later @ later))

    def features(self, texts: Sequence[Tokens]) -> np.ndarray:
        """Return x (N, D): standard normal draws over √D, seeded by the SHA-256 of each text's token ids."""
        width = len(self._weight_D)
        digests = [hashlib.sha256(str(tokens.ids).encode()).digest() for tokens in texts]
        rows = [np.random.default_rng(int.from_bytes(digest)).normal(size=width) for digest in digests]
        x_ND: np.ndarray = np.array(rows).reshape(len(texts), width) / np.sqrt(width)
        return x_ND


def _loss(z_N: np.ndarray) -> np.ndarray:
    """Return −ln sigmoid(z); NaN stays NaN, for the caller to find."""
    with np.errstate(invalid="ignore"):
        nll_N: np.ndarray = np.logaddexp(0, -z_N)
    return nll_N


def _miss(z_N: np.ndarray) -> np.ndarray:
    """Return 1 − sigmoid(z)."""
    miss_N: np.ndarray = np.exp(-_loss(-z_N))
    return miss_N
