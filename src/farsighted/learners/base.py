"""What the protocol asks of anything that learns; it never knows which world it drives.

*Reference:* definitions.md#learners-and-worlds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np

from farsighted.core.values import Tokens

EXACT_AT_START: Final = ("lora", "full", "qlora")
"""Modes under which the model computes, until a step is taken, what the base computes, to the last bit."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one optimizer step saw."""

    loss: float
    """Mean NLL per response token of the batch, before the step; importance weights do not enter."""
    grad_norm: float
    """Global norm, before clipping, of the gradient that is stepped along; importance weights are in it."""
    sketch: np.ndarray
    """(M, K) per-example gradient sketches of the batch, in the order given (for Eq. 4); weights do not enter."""


def weights_or_ones(weight: np.ndarray | None, count: int) -> np.ndarray:
    """Return the weights of a step, (M,): 1 each where there are none, by which a product keeps every bit."""
    return np.ones(count) if weight is None else weight


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Teacher-forced response likelihoods of N texts."""

    nll_sum: np.ndarray
    """(N,) negative log-likelihood summed over response tokens, nats."""
    hit_share: np.ndarray
    """(N,) share of response tokens that are the arg-max."""
    length: np.ndarray
    """(N,) response tokens."""
    ends_otherwise: np.ndarray | None = None
    """(N,) whether all but the last are, and the arg-max there ends an answer too; None where one token alone does."""

    @property
    def is_greedy(self) -> np.ndarray:
        """(N,) whether greedy decoding gives the response.

        *Reference:* definitions.md#where-an-answer-ends.
        """
        is_hit: np.ndarray = self.hit_share == 1
        return is_hit if self.ends_otherwise is None else is_hit | self.ends_otherwise


class Learner(Protocol):
    """A model that is trained through stages."""

    @property
    def backward_cost(self) -> float:
        """K of definitions.md#cost: cost of a backward pass in forward passes (1 for LoRA, 2 for full fine-tuning)."""

    @property
    def model_hash(self) -> str:
        """Content hash of M_0."""

    @property
    def vocabulary_size(self) -> int:
        """V."""

    def next_stage(self, index: int) -> None:
        """Get ready for stage `index` (from 2) once the one before is evaluated; what the model computes stays.

        A learner whose parameters are simply trained on does nothing. What is done here is part of `parameters`.
        """

    def begin_stage(self, steps: int) -> None:
        """Start a stage: a fresh optimizer and a schedule over `steps` steps."""

    def signals(self, batch: Sequence[Tokens], needs: frozenset[str]) -> Mapping[str, np.ndarray]:
        """Return the asked-for model signals of `batch` under the current model, one row an example."""

    def step(
        self, batch: Sequence[Tokens], dropout: np.random.Generator, weight: np.ndarray | None = None
    ) -> StepRecord:
        """Take one optimizer step on the mean NLL over the response tokens of `batch`.

        `weight`: (M,) above 0, what the NLL of each example's tokens is multiplied by; None: 1 each. The divisor stays
        the number of response tokens.
        """

    def likelihoods(self, texts: Sequence[Tokens]) -> Likelihoods:
        """Score texts under the current model, in evaluation mode."""

    def parameters(self) -> Mapping[str, np.ndarray]:
        """Return a copy of the trainable parameters."""

    def load_parameters(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put back what `parameters` returned; the optimizer is dropped."""

    def optimizer_state(self) -> Mapping[str, np.ndarray]:
        """Return the state of the current stage's optimizer and schedule; empty before the first stage."""

    def load_optimizer_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put back what `optimizer_state` returned, after `begin_stage`."""

    def change_inner(
        self, a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], c: Mapping[str, np.ndarray]
    ) -> "ChangeInner":
        """Return the inner products of the changes a → b and b → c of the function's weights.

        *Reference:* definitions.md#adapter-drift.
        """


class SelfTested(Learner, Protocol):
    """A learner that can compare its signals with what it is made of, before an audit relies on them."""

    notes: tuple[str, ...]
    """Sentences for whoever reads the plan or the report: what of the model is left out, what takes longer."""

    def self_test(self, batch: Sequence[Tokens]) -> None:
        """Check signals and gradients on a few texts; raises `ModelError` on a mismatch."""


@runtime_checkable
class HasNeighbours(Protocol):
    """A learner that can load another model of its kind."""

    def neighbour(self, folder: Path, model_hash: str) -> Learner:
        """Return the model in a folder, on the same device and of the same type of numbers, to score with."""


@runtime_checkable
class Generates(Protocol):
    """A learner that writes text."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, is_done: Callable[[Sequence[int]], bool]
    ) -> list[list[int]]:
        """Return the greedy continuation of each prompt, without what ends it.

        A continuation ends before the first token that ends answers, at `max_new_tokens` tokens, or with the token
        after which `is_done` of it is true. The same prompts in the same order give the same continuations.
        """


@dataclass(frozen=True, slots=True, eq=False)
class KeptSignals:
    """Signals of N candidates, and what their forward and backward passes left for one step."""

    rows: Mapping[str, np.ndarray]
    """The signals that were asked for, one row a candidate."""
    kept: object
    """Whatever `step_kept` of the same learner takes; valid until its parameters change."""


@runtime_checkable
class SinglePass(Protocol):
    """A learner whose scoring pass by gradients can be the training pass too (definitions.md#cost) a candidate)."""

    def can_keep(self, batch: Sequence[Tokens], needs: frozenset[str]) -> bool:
        """Return whether keeping spares a second pass, gives the same step, and fits into the memory allowed."""

    def signals_kept(self, batch: Sequence[Tokens], needs: frozenset[str]) -> KeptSignals:
        """Return what `signals` returns, and keep what a step needs; only where `can_keep` says so."""

    def step_kept(self, kept: object, rows: np.ndarray, weight: np.ndarray | None = None) -> StepRecord:
        """Take the optimizer step that `step` takes on these rows of the kept batch, without another pass.

        `weight`: (M,) as in `step`, in the order of `rows`.
        """


@dataclass(frozen=True, slots=True)
class ChangeInner:
    """Inner products of two successive changes of the weights; LoRA counts the product B·A·scale, not the factors."""

    earlier_later: float
    earlier_squared: float
    later_squared: float

    def plus(self, other: "ChangeInner") -> "ChangeInner":
        """Return the inner products over two disjoint sets of weights together."""
        return ChangeInner(
            self.earlier_later + other.earlier_later,
            self.earlier_squared + other.earlier_squared,
            self.later_squared + other.later_squared,
        )
