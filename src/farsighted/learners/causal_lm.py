"""Any Hugging Face causal language model as a learner: the one place that knows that library's ways.

*Reference:* definitions.md#causal-lm.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from farsighted.core.errors import DivergedError, ModelError
from farsighted.core.rng import stream
from farsighted.core.values import Tokens
from farsighted.learners.adapters import Adaptation, Lora, Noted
from farsighted.learners.base import ChangeInner, KeptSignals, Likelihoods, StepRecord, weights_or_ones
from farsighted.learners.batching import PassSize, in_batches, in_batches_or_again, joined, run_parts
from farsighted.learners.generate import generated
from farsighted.learners.masks import masks_from
from farsighted.learners.one_by_one import ONE_BY_ONE, OneByOnePasses, build_passes
from farsighted.learners.optim import OptimizerSettings, StageOptimizer
from farsighted.learners.padding import WRITES_ALONE, ignores_pads
from farsighted.learners.passes import GRADIENT_SIGNALS, trunk_and_head
from farsighted.learners.single_pass import KeptBatch, has_dropout
from farsighted.learners.transitions import FoldedStages
from farsighted.models.loading import LanguageModel, load_model
from farsighted.signals.table import readings_of

Arrays = Mapping[str, np.ndarray]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LearnerSettings:
    """How a model is run."""

    optimizer: OptimizerSettings
    micro_batch_tokens: int = 8192
    """Padded tokens of one training pass; a larger batch is accumulated."""
    batch_tokens: int = 16384
    """Padded tokens of one scoring or evaluation pass."""
    kept_bytes: int = 2**30
    """Memory that the gradients of a batch of candidates may take so that a step needs no second pass; 0 = none."""
    end_ids: tuple[int, ...] = ()
    """Tokens that end an answer, for generation; the first pads."""
    gradient_checkpointing: bool = False
    """Whether training passes recompute what is inside each layer instead of keeping it."""


class CausalLM:
    """A causal language model with an adaptation, driven by the stage protocol; see `learners.base.Learner`.

    `lm`: a model as `load_model` gives it; it is changed in place. `seed`: of the adapter's initial values.
    """

    def __init__(
        self, lm: LanguageModel, model_hash: str, adaptation: Adaptation, settings: LearnerSettings, seed: int
    ) -> None:
        self.model_hash = model_hash
        self._adaptation = adaptation
        self._settings = settings
        self._seed = seed
        virtual = adaptation.virtual_tokens
        self._scoring_size = PassSize(settings.batch_tokens, virtual)
        self._training_size = PassSize(settings.micro_batch_tokens, virtual)
        for parameter in lm.parameters():
            parameter.requires_grad_(False)
        self.notes: tuple[str, ...] = adaptation.notes(lm) if isinstance(adaptation, Noted) else ()
        """Sentences about what of the model is left out, and what takes longer than it might."""
        self._lm = adaptation.apply(lm, stream(seed, "init"))
        if settings.gradient_checkpointing:
            _checkpoint_layers(self._lm)
        self._trainable = [(name, p) for name, p in sorted(self._lm.named_parameters()) if p.requires_grad]
        trunk, head = trunk_and_head(self._lm)
        _refuse_strays(self._trainable, trunk, head.weight_VD)
        self._passes = build_passes(trunk, head)
        if isinstance(self._passes, OneByOnePasses):
            self.notes += (ONE_BY_ONE,)
        self._folded = FoldedStages(self._lm, adaptation.transition)
        self._optimizer: StageOptimizer | None = None
        self._lm.eval()

    @property
    def backward_cost(self) -> float:
        """K of definitions.md#cost."""
        return self._adaptation.backward_cost

    @property
    def virtual_tokens(self) -> int:
        """Positions that the adapter puts before every text."""
        return self._adaptation.virtual_tokens

    @property
    def language_model(self) -> LanguageModel:
        """The model itself, adapters included; whoever calls it must leave it as it was."""
        return self._lm

    @property
    def vocabulary_size(self) -> int:
        """V: rows of the output head."""
        return self._passes.vocabulary_size

    def neighbour(self, folder: Path, model_hash: str) -> "CausalLM":
        """Return the model in a folder, on the same device and of the same type of numbers, to score with."""
        weight = next(self._lm.parameters())
        dtype = str(self._lm.dtype).removeprefix("torch.")
        # An adapter at step 0 adds exactly nothing, and without one there would be nothing to train.
        lm = load_model(folder, dtype, str(weight.device))
        return CausalLM(lm, model_hash, Lora(), self._settings, seed=0)

    @cached_property
    def may_pad(self) -> bool:
        """Whether prompts of different lengths may share a batch when the model writes; measured once."""
        pad_id = self._settings.end_ids[0] if self._settings.end_ids else 0
        return ignores_pads(self._lm, pad_id, self.vocabulary_size, self.virtual_tokens)

    def self_test(self, batch: Sequence[Tokens]) -> None:
        """Compare logits and gradients of two examples with the model's own, and what it writes alone and in a batch.

        A model that pads change writes one answer at a time: that becomes one of its notes, as does that it cannot
        write. Raises `ModelError` where logits or gradients do not agree.
        """
        self._passes.self_test(self._lm, batch)
        if self._settings.end_ids:
            try:
                said = "" if self.may_pad else WRITES_ALONE
            except ModelError as error:
                # An audit may never make it write.
                said = str(error)
            if said and said not in self.notes:
                self.notes += (said,)

    def next_stage(self, index: int) -> None:
        """Do what the adaptation does before stage `index` (from 2): nothing, or fold the adapter and start a new one.

        What the model computes stays as it is, but for rounding; the optimizer is dropped.
        """
        if self._adaptation.transition is not None:
            self._folded.add({name: values for name, values in self._current().items() if ".lora_" in name})
            self._adaptation.restart(self._lm, stream(self._seed, "init", index))
            self._optimizer = None

    def begin_stage(self, steps: int) -> None:
        """Start a stage: a fresh optimizer and a schedule over `steps` steps."""
        self._optimizer = StageOptimizer(self._trainable, self._settings.optimizer, steps)

    def signals(self, batch: Sequence[Tokens], needs: frozenset[str]) -> Arrays:
        """Return model signals of `batch` in evaluation mode, from length-sorted batches; rows in the order given."""
        return in_batches(batch, self._scoring_size, lambda part: self._passes.signals(part, needs))

    def can_keep(self, batch: Sequence[Tokens], needs: frozenset[str]) -> bool:
        """Return whether a step on some of `batch` can do without a second pass.

        It can where gradients are computed anyway, the head is frozen, training has no dropout, and what is kept stays
        within `LearnerSettings.kept_bytes`.
        """
        if not readings_of(needs) & GRADIENT_SIGNALS or has_dropout(self._lm):
            return False
        size = self._passes.kept_bytes(batch)
        return size is not None and size <= self._settings.kept_bytes

    def signals_kept(self, batch: Sequence[Tokens], needs: frozenset[str]) -> KeptSignals:
        """Return what `signals` returns, and keep each example's gradient for `step_kept`."""
        rows, parts = run_parts(batch, self._scoring_size, lambda part: self._passes.signals_kept(part, needs))
        signals = joined(rows, [found for found, _ in parts])
        return KeptSignals(signals, KeptBatch(batch, rows, [kept for _, kept in parts]))

    def step(
        self, batch: Sequence[Tokens], dropout: np.random.Generator, weight: np.ndarray | None = None
    ) -> StepRecord:
        """Take one optimizer step; the loss is the NLL summed over response tokens, divided by their number.

        `weight`: (M,) above 0, what each example's NLL is multiplied by.

        Raises `DivergedError`, before any parameter changes, where a loss or gradient is not finite.
        """
        if self._optimizer is None:
            raise RuntimeError("begin_stage must come before step.")
        optimizer, total = self._optimizer, sum(tokens.response_length for tokens in batch)
        weight_M = weights_or_ones(weight, len(batch))
        with _training_mode(self._lm, dropout):
            found = in_batches_or_again(
                batch,
                self._training_size,
                optimizer.zero_grad,
                lambda part, rows: self._passes.train(part, total, weight_M[rows]),
            )
        return self._updated(batch, float(found["nll_sum"].sum() / total), found["sketch"])

    def step_kept(self, kept: object, rows: np.ndarray, weight: np.ndarray | None = None) -> StepRecord:
        """Take the step that `step` takes on these rows of the batch of `signals_kept`; equal but for rounding.

        Raises `DivergedError`, before any parameter changes, where a loss or gradient is not finite.
        """
        if self._optimizer is None or not isinstance(kept, KeptBatch):
            raise RuntimeError("begin_stage and signals_kept must come before step_kept.")
        loss = kept.mean_nll(rows)
        self._optimizer.zero_grad()
        parameters = self._passes.trunk_parameters
        for name, gradient in kept.gradient(rows, weights_or_ones(weight, len(rows))).items():
            parameters[name].grad = gradient.to(parameters[name].dtype)
        return self._updated([kept.batch[int(row)] for row in rows], loss, kept.sketch(rows))

    def _updated(self, batch: Sequence[Tokens], loss: float, sketch_MK: np.ndarray) -> StepRecord:
        """Apply the gradients that are in place."""
        if self._optimizer is None:
            raise RuntimeError("begin_stage must come before a step.")
        grad_norm = self._optimizer.clip()
        if not np.isfinite(grad_norm):
            self._optimizer.zero_grad()
            bad = np.flatnonzero(~np.isfinite(sketch_MK.sum(axis=1)))
            names = [batch[int(row)].example.id for row in bad]
            raise DivergedError.naming("The gradient is not finite", names or [item.example.id for item in batch])
        self._optimizer.step()
        return StepRecord(loss, grad_norm, sketch_MK)

    def likelihoods(self, texts: Sequence[Tokens]) -> Likelihoods:
        """Score texts by teacher forcing, in evaluation mode."""
        found = self.signals(texts, frozenset({"nll", "correctness"}))
        length = np.array([tokens.response_length for tokens in texts], dtype=np.float64)
        hit_share = found["correctness"].astype(np.float64)
        ends_otherwise = self._end_otherwise(texts, np.rint((1 - hit_share) * length) == 1)
        return Likelihoods(found["nll"].astype(np.float64) * length, hit_share, length, ends_otherwise)

    def _end_otherwise(self, texts: Sequence[Tokens], is_near: np.ndarray) -> np.ndarray | None:
        """Return which of the texts that miss one token the model ends where they end, by another end token."""
        ends = self._settings.end_ids
        if len(ends) < 2:
            return None
        near = [row for row in np.flatnonzero(is_near).tolist() if texts[row].ids[-1] in ends]
        tried = [(row, end) for row in near for end in ends if end != texts[row].ids[-1]]
        others = [
            Tokens(texts[row].example, (*texts[row].ids[:-1], end), len(texts[row].ids) - 1) for row, end in tried
        ]
        found = np.zeros(len(texts), dtype=bool)
        if others:
            # The token that they miss is the last one exactly where another end is the arg-max there.
            is_hit = self.signals(others, frozenset({"nll", "correctness"}))["correctness"] == 1
            found[[row for (row, _), hit in zip(tried, is_hit, strict=True) if hit]] = True
        return found

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, is_done: Callable[[Sequence[int]], bool]
    ) -> list[list[int]]:
        """Return greedy continuations, from batches of like length within the memory that scoring may take."""
        if not self._settings.end_ids:
            raise ModelError("Generation needs the ids of end tokens. Give `LearnerSettings.end_ids`.")
        # A batch of one prompt is never padded.
        tokens = self._scoring_size.tokens if self.may_pad else 1
        return generated(self._lm, prompts, max_new_tokens, self._settings.end_ids, is_done, tokens)

    def parameters(self) -> Arrays:
        """Return a copy of the trainable parameters in float32, with the folded adapters of earlier stages."""
        return {**self._folded.arrays(), **self._current()}

    def load_parameters(self, arrays: Arrays) -> None:
        """Put back what `parameters` returned; the optimizer is dropped.

        Raises `ModelError` for parameters of an earlier stage than the one that the model is in, where adapters are
        folded between stages.
        """
        self._folded.restore(arrays)
        with torch.no_grad():
            for name, parameter in self._trainable:
                parameter.copy_(torch.from_numpy(np.array(arrays[name])))
        self._optimizer = None

    def _current(self) -> dict[str, np.ndarray]:
        return {name: p.detach().float().cpu().numpy().copy() for name, p in self._trainable}

    def optimizer_state(self) -> Arrays:
        """Return the state of the current stage's optimizer and schedule; empty before the first stage."""
        return {} if self._optimizer is None else self._optimizer.state()

    def load_optimizer_state(self, arrays: Arrays) -> None:
        """Put back what `optimizer_state` returned, after `begin_stage`."""
        if self._optimizer is not None and arrays:
            self._optimizer.load_state(arrays)

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Return the inner products of the weight changes a → b and b → c."""
        return self._adaptation.change_inner(a, b, c)


def _checkpoint_layers(lm: LanguageModel) -> None:
    if not lm.supports_gradient_checkpointing:
        raise ModelError(
            f"{type(lm).__name__} has no gradient checkpointing. Set `training.gradient_checkpointing: false`."
        )
    lm.activation_checkpointing_enable({"use_reentrant": False})


def _refuse_strays(
    trainable: Sequence[tuple[str, torch.nn.Parameter]], trunk: torch.nn.Module, head_weight: torch.Tensor
) -> None:
    inside = {id(parameter) for parameter in trunk.parameters()}
    inside.add(id(head_weight))
    for name, parameter in trainable:
        if id(parameter) not in inside:
            raise ModelError(
                f"'{name}' is trainable, but belongs to the output head, where adapters are not supported. Take the "
                "head out of `lora.targets`; `training.train_head: true` trains the whole head."
            )


@contextlib.contextmanager
def _training_mode(lm: LanguageModel, dropout: np.random.Generator) -> Iterator[None]:
    """Switch dropout on, with masks that come from `dropout` alone."""
    lm.train()
    try:
        with masks_from(dropout, lm.device):
            yield
    finally:
        lm.eval()
