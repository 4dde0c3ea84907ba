"""Model signals that are looked up before they are computed, so that whoever comes second makes no pass.

What is looked up is bit for bit what would be computed, and does not depend on who came first:

- Other rows in a padded batch change the last bits of every row. So texts are taken in chunks of whole passes, and a
  chunk is known by everything that is in it. Chunks are made of the learner's own passes in the learner's own order:
  scoring them one by one gives the bits of scoring everything at once, and an interruption costs one chunk.
- Signals of a plain forward pass, of one over other positions, and of a pass with gradients are computed apart,
  whatever else is asked for at the same time; within one kind a signal does not depend on those beside it.
- The adapter of step 0 adds exactly nothing to a forward pass: LoRA and full fine-tuning share what it gives.
"""

import hashlib
import math
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from farsighted.candidates.timed import TimedSignals
from farsighted.core import fingerprint
from farsighted.core.values import Tokens, token_lengths
from farsighted.data.batches import length_sorted_batches
from farsighted.learners.base import Learner
from farsighted.signals.definition import definitions_of
from farsighted.signals.table import LOGIT_SKETCH_FEATURES, LOGIT_SKETCH_TIME, SKETCH_SIDE, pass_of
from farsighted.store.cache import ArrayCache

_CHUNK_TOKENS: Final = 16384
"""Tokens of a chunk, at least: what an interruption costs, and what a file must be worth."""
_BACKWARD: Final = "backward"
_WIDTHS: Final = [SKETCH_SIDE, LOGIT_SKETCH_TIME, LOGIT_SKETCH_FEATURES]


class _Job(NamedTuple):
    """One kind of pass over one chunk.

    The chunk's texts are built when they are needed: all at once, a large pool's would fill the memory.
    """

    chunk: int
    rows: np.ndarray
    key: str
    names: frozenset[str]
    own: Mapping[str, str]
    """Signals that are not built in to what decides them beside the pass."""


class _Part(NamedTuple):
    """What a job gave."""

    rows: Mapping[str, np.ndarray]
    seconds: float


@dataclass(frozen=True)
class SignalCache:
    """The signals of one model in one state, on its way through any number of processes."""

    entries: ArrayCache
    model: object
    """JSON value: all that decides a forward pass, to the last bit."""
    adapter: object
    """JSON value: what decides a backward pass beside it."""
    batch_tokens: int
    """Padded tokens that one pass of the learner may hold."""

    def get(self, learner: Learner, texts: Sequence[Tokens], needs: frozenset[str]) -> TimedSignals:
        """Return signals of at least one text; only what is not kept is computed, and kept at once.

        The seconds are those that the passes took that gave them, wherever they ran: whoever finds signals counts them
        as if it had computed them.
        """
        chunks = _chunks(texts, self.batch_tokens)
        digests = [_digest([texts[row] for row in rows]) for rows in chunks]
        own = [_own_keys(needs, texts, rows) for rows in chunks]
        jobs = [
            _Job(number, chunks[number], self._key(digest, kind), names, own[number])
            for kind, names in sorted(_by_kind(needs).items())
            for number, digest in enumerate(digests)
        ]
        rows: list[dict[str, np.ndarray]] = [{} for _ in chunks]
        seconds: list[float] = []
        busy: list[_Job] = []
        # What another process is at is left for last: until then there is other work to do.
        for wait, waiting in ((False, jobs), (True, busy)):
            for job in waiting:
                part = self._part(learner, texts, job, wait)
                if part is None:
                    busy.append(job)
                else:
                    rows[job.chunk] |= part.rows
                    seconds.append(part.seconds)
        back = np.argsort(np.concatenate(chunks))
        signals = {name: np.concatenate([part[name] for part in rows])[back] for name in sorted(needs)}
        return TimedSignals(signals, math.fsum(seconds))

    def _part(self, learner: Learner, texts: Sequence[Tokens], job: _Job, wait: bool) -> _Part | None:
        """Return what a job gives; None where another process is at it and this one is not to wait."""
        found = self._kept(job, job.names)
        if missing := job.names.difference(found):
            with self.entries.claim(job.key, wait=wait) as granted:
                if not granted:
                    return None
                found |= self._kept(job, missing)
                found |= self._computed(learner, texts, job, missing.difference(found))
        # Signals of one pass carry the same reading of the clock: count it once.
        seconds = {float(arrays["seconds"]) for arrays in found.values()}
        return _Part({name: arrays["signal"] for name, arrays in found.items()}, math.fsum(seconds))

    def _kept(self, job: _Job, names: frozenset[str]) -> dict[str, Mapping[str, np.ndarray]]:
        read = {name: self.entries.read(_entry(job, name)) for name in sorted(names)}
        return {name: arrays for name, arrays in read.items() if arrays is not None}

    def _computed(
        self, learner: Learner, texts: Sequence[Tokens], job: _Job, missing: frozenset[str]
    ) -> dict[str, Mapping[str, np.ndarray]]:
        if not missing:
            return {}
        batch = [texts[row] for row in job.rows]
        began = time.perf_counter()
        signals = learner.signals(batch, missing)
        seconds = np.array(time.perf_counter() - began)
        found: dict[str, Mapping[str, np.ndarray]] = {
            name: {"signal": signals[name], "seconds": seconds} for name in sorted(missing)
        }
        for name, arrays in found.items():
            self.entries.write(_entry(job, name), arrays)
        return found

    def _key(self, digest: str, kind: str) -> str:
        adapter = self.adapter if kind == _BACKWARD else None
        return fingerprint.of_json([self.model, adapter, self.batch_tokens, _WIDTHS, kind, digest])


def _entry(job: _Job, name: str) -> str:
    return fingerprint.of_json([job.key, job.own.get(name, name)])[:32]


def _own_keys(needs: frozenset[str], texts: Sequence[Tokens], rows: np.ndarray) -> dict[str, str]:
    definitions = definitions_of(needs)
    if not definitions:
        return {}
    # Anyone's provider may read every field of an example, and not only what the model reads.
    seen = fingerprint.of_examples(texts[row].example for row in rows)
    return {name: fingerprint.of_json([definition, seen]) for name, definition in definitions.items()}


def _chunks(texts: Sequence[Tokens], batch_tokens: int) -> list[np.ndarray]:
    """Return row numbers in runs of whole passes; each but the last holds at least `_CHUNK_TOKENS` tokens.

    Passes are cut from the longest text on, so a run of them, scored alone, is cut at the same places.
    """
    chunks: list[np.ndarray] = []
    room = 0
    lengths_N = token_lengths(texts)
    for rows in length_sorted_batches(lengths_N, batch_tokens):
        if room <= 0:
            chunks.append(rows)
            room = _CHUNK_TOKENS
        else:
            chunks[-1] = np.concatenate([chunks[-1], rows])
        room -= int(lengths_N[rows].sum())
    return chunks


def _by_kind(needs: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the signals that one kind of pass gives, by kind."""
    kinds: dict[str, set[str]] = {}
    for name in needs:
        kinds.setdefault(pass_of(name), set()).add(name)
    return {kind: frozenset(names) for kind, names in kinds.items()}


def _digest(batch: Sequence[Tokens]) -> str:
    """Return the SHA-256 of what the model reads; ids name examples within one state of the files only."""
    digest = hashlib.sha256()
    for item in batch:
        digest.update(array("q", (len(item.ids), item.prompt_length, *item.ids)).tobytes())
    return digest.hexdigest()
