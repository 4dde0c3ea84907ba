"""Signals of the text, of a reference model and of a warm-up run: found by the first cell that needs them, for all.

Signals of the text are kept in `shared/`, and of the others what the pass or the run left: under everything that
decides it, with what it took, so that whoever finds it there counts it as if it had done the work. What providers make
of a run is not kept: it is made again in no time, and an edited provider trains nothing again.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from farsighted.candidates.pool_work import PoolWork, reference_pass, signals_from
from farsighted.candidates.reference import score_by_reference
from farsighted.candidates.warm_up import WarmUpRun, warm_up
from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.core.values import Pool
from farsighted.learners.base import EXACT_AT_START, Learner
from farsighted.models.folder import hashed_model
from farsighted.protocol.inputs import AuditInputs
from farsighted.signals.definition import definitions_of
from farsighted.signals.table import pool_signals_of, readings_of
from farsighted.store import atomic
from farsighted.store.claims import Claims, Found
from farsighted.store.layout import RESULT_VERSION, Layout

_FILE: Final = "arrays.safetensors"
_TOOK: Final = "(took)"
"""Beside the arrays: seconds, tokens scored, tokens trained."""
_POLL_SECONDS: Final = 0.5
_WARM_UP_SETTINGS: Final = {"lora", "peft", "training"}


@dataclass(frozen=True)
class StartModel:
    """A cell's model before its first stage; what is done with it leaves it as it is."""

    learner: Learner
    adaptation: str
    seed: int

    def key(self) -> list[str]:
        """Return what decides its passes beside the base model: nothing where the adaptation adds exactly nothing."""
        exact = self.adaptation in EXACT_AT_START
        return [] if exact else [self.adaptation, fingerprint.of_arrays(self.learner.parameters())]


@dataclass(frozen=True)
class PoolSignals:
    """Finds the signals of an audit's pools that no model in training decides."""

    config: AuditConfig
    inputs: AuditInputs
    start: StartModel
    layout: Layout | None
    """Where work is looked for and kept; None: nowhere."""
    before_step: Callable[[], None]
    """Called before every step of a warm-up run, and while another process is at work; may raise to stop."""

    def of_pool(self, needs: Collection[str], stage: str, pool: Pool) -> PoolWork:
        """Return the signals out of `needs` of a stage's pool, and what they took.

        `pool`: that of the stage, or a part of it where nothing is kept. Raises `SelectorError` for a provider that
        fails, `DivergedError` where the warm-up run does, and what `score_by_reference` raises.
        """
        found = PoolWork({})
        for cost, names in pool_signals_of(needs).items():
            find = {"text": self._text, "warm_up": self._warm_up, "reference": self._reference}[cost]
            found = found.plus(find(names, stage, pool))
        return found

    def _text(self, names: Sequence[str], stage: str, pool: Pool) -> PoolWork:
        decides = ["text", RESULT_VERSION, definitions_of(names), self.inputs.stages[stage].fingerprint]
        return self._kept(decides, lambda: signals_from(PoolWork({}), names, pool.tokens))

    def _warm_up(self, names: Sequence[str], stage: str, pool: Pool) -> PoolWork:
        config, start, readings = self.config, self.start, readings_of(names)
        settings = config.signals.warm_up
        run = WarmUpRun(settings.epochs, settings.share, config.training.batch_size)
        # Its place in the sequence as it is written: orders of stages share the run.
        place = (start.seed, list(self.inputs.stages).index(stage) + 1)
        decides = {
            "start": [self.inputs.model_hash, start.adaptation, fingerprint.of_arrays(start.learner.parameters())],
            "training": config.model_dump(mode="json", include=_WARM_UP_SETTINGS),
            "learning_rate": config.learning_rate(start.adaptation),
            "run": settings.model_dump(mode="json"),
            "place": place,
        }
        work = self._kept(
            ["warm-up", decides, *self._read(readings, stage)],
            lambda: warm_up(start.learner, pool.tokens, readings, run, place, self.before_step),
        )
        return signals_from(work, names, pool.tokens)

    def _reference(self, names: Sequence[str], stage: str, pool: Pool) -> PoolWork:
        path, learner, readings = self.config.signals.reference, self.start.learner, readings_of(names)
        if path is None:
            decides = ["start model", self.inputs.model_hash, *self.start.key(), *self._read(readings, stage)]
            work = self._kept(decides, lambda: reference_pass(learner, pool.tokens, readings))
        else:
            reference = hashed_model(path)
            work = self._kept(
                ["reference", reference.content, *self._read(readings, stage)],
                lambda: score_by_reference(learner, reference, self.config, pool.tokens, readings),
            )
        return signals_from(work, names, pool.tokens)

    def _read(self, readings: frozenset[str], stage: str) -> list[object]:
        """Return what decides any pass over a pool: the texts, how a model reads them, and what is read of it."""
        model, data = self.config.model, self.config.data
        return [
            RESULT_VERSION,
            sorted(readings),
            self.inputs.stages[stage].fingerprint,
            [model.dtype, model.device, model.context, self.config.evaluation.batch_tokens],
            [data.template, data.on_long],
        ]

    def _kept(self, decides: list[object], work: Callable[[], PoolWork]) -> PoolWork:
        """Return the work that is in the shared folder, or do it; while another process is at it, wait."""
        if self.layout is None:
            return work()
        folder = self.layout.shared / f"signals-{fingerprint.of_json(decides)[:16]}"
        claims = Claims(self.layout.claims)
        while not (folder / _FILE).is_file():
            taken = claims.take(f"shared-{folder.name}")
            if isinstance(taken, Found):
                self.before_step()
                time.sleep(_POLL_SECONDS)
                continue
            with taken:
                if not (folder / _FILE).is_file():
                    atomic.keep_folder(folder, {_FILE: _packed(work())})
        return _unpacked(atomic.read_folder(folder)[_FILE])


def _packed(work: PoolWork) -> bytes:
    took = np.array([work.seconds, work.scored_tokens, work.trained_tokens], dtype=np.float64)
    packed: bytes = save_arrays(
        {name: np.ascontiguousarray(array) for name, array in work.rows.items()} | {_TOOK: took}
    )
    return packed


def _unpacked(packed: bytes) -> PoolWork:
    arrays: dict[str, np.ndarray] = load_arrays(packed)
    seconds, scored, trained = arrays.pop(_TOOK)
    return PoolWork(arrays, float(seconds), int(scored), int(trained))
