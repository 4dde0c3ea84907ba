"""The quadratic world as a learner: a vector of parameters, trained by gradient descent.

w = P z: under full training P is the identity; LoRA-style, z (R,) lives in a random R-dimensional subspace, and the
columns of P (D, R) are orthonormal. A text's loss is (x·w - y)^2 / 2, its gradient in z is (x·w - y) P'x.

Shape letters: N examples, D dimensions, R trainable parameters.

*Reference:* definitions.md#quadratic-world.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError, DivergedError, ModelError
from farsighted.core.rng import stream
from farsighted.core.schedule import ScheduleName, rate_share
from farsighted.core.values import Tokens
from farsighted.learners.base import ChangeInner, Likelihoods, StepRecord, weights_or_ones
from farsighted.signals.provided import provided
from farsighted.signals.registry import at_positions
from farsighted.signals.table import readings_of
from farsighted.signals.token_names import TOKEN_PREFIX
from farsighted.worlds.quadratic import QuadraticWorld

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class DescentSettings:
    """Gradient descent over one stage."""

    learning_rate: float
    schedule: ScheduleName = "constant"
    warmup_share: float = 0.0
    weight_decay: float = 0.0
    grad_clip: float = math.inf

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step (from 0) among `steps`; the warm-up's first step is not wasted on 0."""
        return self.learning_rate * rate_share(self.schedule, step, steps, round(self.warmup_share * steps), first=1)


class QuadraticLearner:
    """A vector in the quadratic world, driven by the stage protocol; see `learners.base.Learner`.

    Its signals, by what they stand for: `nll` is the loss; `hidden` the direction; gradients are exact and not
    projected; the head's gradient is that in w, before P; there are no logits, so `nuclear_norm`, the utility of UDS,
    is the size of the error, and `logit_sketch` the direction.
    """

    vocabulary_size = 2

    def __init__(self, world: QuadraticWorld, subspace_DR: np.ndarray | None, settings: DescentSettings) -> None:
        self.model_hash = world.hash
        self.notes: tuple[str, ...] = ()
        self.backward_cost = 2.0 if subspace_DR is None else 1.0
        self._world = world
        self._subspace_DR = subspace_DR
        self._settings = settings
        width = world.direction_ND.shape[1]
        self._features_NR = world.direction_ND if subspace_DR is None else world.direction_ND @ subspace_DR
        self._weight_R = np.zeros(width if subspace_DR is None else subspace_DR.shape[1])
        self._taken = self._planned = 0
        self._begun = False

    def self_test(self, batch: Sequence[Tokens]) -> None:
        """Compare gradients with differences of the loss, which are exact for a square; raises `ModelError`."""
        stated_NR = self.signals(batch, frozenset({"grad_sketch"}))["grad_sketch"]
        rows, found_NR = _rows(batch), np.empty_like(stated_NR)
        for place, step_R in enumerate(np.eye(len(self._weight_R))):
            ahead_N, behind_N = (
                self._features_NR[rows] @ (self._weight_R + sign * step_R) - self._world.target_N[rows]
                for sign in (1, -1)
            )
            found_NR[:, place] = (ahead_N**2 - behind_N**2) / 4
        if not np.allclose(stated_NR, found_NR, rtol=1e-9, atol=1e-9):
            raise ModelError(
                "The gradients of the quadratic world do not fit its losses: this is a defect of farsighted."
            )

    def next_stage(self, index: int) -> None:
        """Do nothing: the vector is trained on."""

    def begin_stage(self, steps: int) -> None:
        """Start a stage: the schedule over `steps` steps."""
        self._taken, self._planned, self._begun = 0, steps, True

    def signals(self, batch: Sequence[Tokens], needs: frozenset[str]) -> Arrays:
        """Return the needed model signals (definitions.md#signals), float64."""
        return provided(needs, batch, self._left(batch, readings_of(needs)))

    def _left(self, batch: Sequence[Tokens], readings: frozenset[str]) -> Arrays:
        """Return what providers read; the one token of a text has the text's own values."""
        rows = _rows(batch)
        direction_ND = self._world.direction_ND[rows]
        error_N = self._error(rows)
        gradient_NR = error_N[:, None] * self._features_NR[rows]
        made: dict[str, Callable[[], np.ndarray]] = {
            "nll": lambda: error_N**2 / 2,
            "entropy": lambda: np.exp(-(error_N**2) / 2),
            "margin": lambda: np.exp(-(error_N**2) / 2),
            "el2n": lambda: np.abs(error_N),
            "correctness": lambda: np.abs(error_N) < 1,
            "grad_norm": lambda: np.linalg.norm(gradient_NR, axis=1),
            "grad_sketch": lambda: gradient_NR,
            "head_grad_norm": lambda: np.abs(error_N),
            "head_sketch": lambda: error_N[:, None] * direction_ND,
            "hidden": lambda: direction_ND,
            "embedding": lambda: self._world.embedding_NE[rows],
            "nuclear_norm": lambda: np.abs(error_N),
            "logit_sketch": lambda: direction_ND,
        }
        plain = {name: at_positions(name)[0].removeprefix(TOKEN_PREFIX) for name in sorted(readings)}
        return {name: np.asarray(made[known](), dtype=np.float64) for name, known in plain.items()}

    def step(
        self, batch: Sequence[Tokens], dropout: np.random.Generator, weight: np.ndarray | None = None
    ) -> StepRecord:
        """Take one step on the mean weighted loss; raises `DivergedError`, and changes nothing, if it is not finite."""
        if not self._begun:
            raise RuntimeError("begin_stage must come before step.")
        rows = _rows(batch)
        error_M = self._error(rows)
        sketch_MR = error_M[:, None] * self._features_NR[rows]
        gradient_R = (weights_or_ones(weight, len(rows))[:, None] * sketch_MR).mean(axis=0)
        norm = float(np.linalg.norm(gradient_R))
        if not np.isfinite(norm):
            bad = np.flatnonzero(~np.isfinite(error_M))
            raise DivergedError.naming("The training loss is not finite", [batch[int(row)].example.id for row in bad])
        settings = self._settings
        rate = settings.rate(self._taken, self._planned)
        clipped_R = gradient_R * min(1.0, settings.grad_clip / max(norm, 1e-300))
        self._weight_R = (1 - rate * settings.weight_decay) * self._weight_R - rate * clipped_R
        self._taken += 1
        return StepRecord(float((error_M**2).mean() / 2), norm, sketch_MR)

    def likelihoods(self, texts: Sequence[Tokens]) -> Likelihoods:
        """Score texts; the one token of a text is right where the error is below 1."""
        error_N = self._error(_rows(texts))
        return Likelihoods(error_N**2 / 2, (np.abs(error_N) < 1).astype(np.float64), np.ones(len(texts)))

    def parameters(self) -> Arrays:
        """Return z, and the subspace that it lives in."""
        subspace = {} if self._subspace_DR is None else {"subspace": self._subspace_DR}
        return {"weight": self._weight_R.copy(), **subspace}

    def load_parameters(self, arrays: Arrays) -> None:
        """Put back what `parameters` returned."""
        self._weight_R, self._begun = arrays["weight"].copy(), False

    def optimizer_state(self) -> Arrays:
        """Return the position in the schedule; empty before the first stage."""
        return {"taken": np.array(self._taken)} if self._begun else {}

    def load_optimizer_state(self, arrays: Arrays) -> None:
        """Put back what `optimizer_state` returned, after `begin_stage`."""
        if arrays:
            self._taken = int(arrays["taken"])

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Return the inner products of the changes a → b and b → c; those of w are those of z."""
        earlier_R, later_R = b["weight"] - a["weight"], c["weight"] - b["weight"]
        return ChangeInner(float(earlier_R @ later_R), float(earlier_R @ earlier_R), float(later_R @ later_R))

    def _error(self, rows: np.ndarray) -> np.ndarray:
        error_N: np.ndarray = self._features_NR[rows] @ self._weight_R - self._world.target_N[rows]
        return error_N


def build_quadratic(config: AuditConfig, world: QuadraticWorld, mode: str, seed: int) -> QuadraticLearner:
    """Return a learner of the quadratic world: in a random subspace of rank `lora.r`, or in all dimensions."""
    training = config.training
    settings = DescentSettings(
        config.learning_rate(mode), training.schedule, training.warmup_share, training.weight_decay, training.grad_clip
    )
    return QuadraticLearner(world, None if mode == "full" else random_subspace(world, config.lora.r, seed), settings)


def random_subspace(world: QuadraticWorld, rank: int, seed: int) -> np.ndarray:
    """Return orthonormal columns (D, R), uniform over subspaces, from stream `init`; raises `ConfigError`."""
    width = world.direction_ND.shape[1]
    if rank > width:
        raise ConfigError(f"`lora.r` must be at most the world's {width} dimensions, but is {rank}. Lower it.")
    basis_DR, upper_RR = np.linalg.qr(stream(seed, "init").normal(size=(width, rank)))
    # The signs of the decomposition are the library's: fix them, or the law is not uniform.
    uniform_DR: np.ndarray = basis_DR * np.sign(np.diag(upper_RR))
    return uniform_DR


def _rows(texts: Sequence[Tokens]) -> np.ndarray:
    return np.array([tokens.ids[0] for tokens in texts], dtype=np.intp)
