"""Work that cells share, done once: frozen embeddings, the base model's scores, clusters, first signals.

What every cell needs is in `shared/<content hash>`, written whole or not at all. Signals of the model that all cells
of a seed start from are in a cache with a limit (`candidates.kept_signals`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from farsighted.candidates.assembled import cluster_numbers, known_rows
from farsighted.candidates.frozen import FrozenModel, SentenceModel
from farsighted.candidates.grades import judge_cost_note, pool_quality
from farsighted.candidates.kept_signals import SignalCache
from farsighted.candidates.timed import TimedSignals
from farsighted.config.audit import AuditConfig
from farsighted.core import fingerprint
from farsighted.core.rng import stream
from farsighted.core.values import Tokens, labels_of
from farsighted.evaluation.sets import EvaluationSet, evaluate
from farsighted.learners.base import EXACT_AT_START, Learner
from farsighted.models.sentence import SentenceEncoder
from farsighted.protocol.inputs import AuditInputs
from farsighted.protocol.scores import ScoredAt, ScoreRows
from farsighted.store import atomic
from farsighted.store.cache import ArrayCache
from farsighted.store.layout import RESULT_VERSION, Layout
from farsighted.store.writer import read_table, table_bytes

ARRAYS = "arrays.safetensors"
SCORES = "scores.parquet"
_MEGABYTE: Final = 1_000_000
_KNOWN_OF_POOL: Final = ("embedding", "cluster", "difficulty", "quality", "tokens")


@dataclass(frozen=True)
class Known:
    """What is known of a stage's pool before any training; arrays have one row a pool example."""

    rows: Mapping[str, np.ndarray]
    """embedding, cluster, difficulty, quality, tokens."""
    embedding_seconds: float
    embedding_tokens: int
    base_scores: pa.Table
    """Rows of `scores.parquet`: the base model on the stage's evaluation sets."""


def prepare_stage(learner: Learner, config: AuditConfig, inputs: AuditInputs, layout: Layout, name: str) -> None:
    """Embed a stage's pool with the base model and score its evaluation sets; nothing is done twice."""
    folder = stage_folder(config, inputs, layout, name)
    if (folder / ARRAYS).is_file():
        return
    stage = inputs.stages[name]
    base = _base_model(learner, config, inputs, layout)
    found = base.signals(stage.pool.tokens, frozenset({"embedding", "nll"}))
    scores = ScoreRows()
    scores.add(ScoredAt("validation", 0), stage.validation, evaluate(learner, stage.validation))
    for shifted in _owned_ood(inputs, name):
        scores.add(ScoredAt("ood", 0), shifted, evaluate(learner, shifted))
    graded = pool_quality(
        learner, config.quality, stage.pool.tokens, found.rows["nll"], layout.judge, config.evaluation.batch_tokens
    )
    arrays = {**found.rows, **graded, "seconds": np.array([found.seconds])}
    atomic.keep_folder(folder, {ARRAYS: save_arrays(arrays), SCORES: table_bytes(scores.table())})


def _base_model(learner: Learner, config: AuditConfig, inputs: AuditInputs, layout: Layout) -> FrozenModel:
    """Return the model that no cell has trained yet, as what is known of pools comes from it."""
    # No adapter: neither embedding nor NLL needs a gradient.
    kept, device = _signal_cache(layout, config, inputs.model_hash, None), config.model.device
    if inputs.sentence_model is None:
        return FrozenModel(learner, kept)
    folder, model_hash = inputs.sentence_model
    sentences = SentenceModel(SentenceEncoder(folder, device), fingerprint.of_json([model_hash, device]))
    return FrozenModel(learner, kept, sentences)


def prepare_clusters(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> None:
    """Give every pool example a cluster number: from metadata, or by spherical k-means over all pools."""
    folder = clusters_folder(config, inputs, layout)
    if (folder / ARRAYS).is_file():
        return
    names = [name for stage in inputs.stages.values() for name in labels_of(stage.pool.tokens, "cluster")]
    settings, rng = config.signals, stream(config.data.seed, "eval")
    labels = cluster_numbers(names, lambda: _embeddings(config, inputs, layout), settings.clusters, settings.k, rng)
    parts = np.split(labels, np.cumsum([len(stage.pool) for stage in inputs.stages.values()])[:-1])
    arrays = dict(zip(inputs.stages, parts, strict=True))
    atomic.keep_folder(folder, {ARRAYS: save_arrays(arrays)})


def stage_folder(config: AuditConfig, inputs: AuditInputs, layout: Layout, name: str) -> Path:
    """Return where `prepare_stage` leaves what it found."""
    return layout.shared / _stage_key(config, inputs, name)


def clusters_folder(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> Path:
    """Return where `prepare_clusters` leaves what it found."""
    return layout.shared / _clusters_key(config, inputs)


def stage_is_prepared(config: AuditConfig, inputs: AuditInputs, layout: Layout, name: str) -> bool:
    """Return whether `prepare_stage` has been done for a stage."""
    return (stage_folder(config, inputs, layout, name) / ARRAYS).is_file()


def clusters_are_prepared(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> bool:
    """Return whether `prepare_clusters` has been done."""
    return (clusters_folder(config, inputs, layout) / ARRAYS).is_file()


def load_known(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> dict[str, Known]:
    """Return what `prepare_stage` and `prepare_clusters` found, with labels or heuristics for the rest."""
    labels = load_arrays((clusters_folder(config, inputs, layout) / ARRAYS).read_bytes())
    known = {}
    for name, stage in inputs.stages.items():
        folder = stage_folder(config, inputs, layout, name)
        arrays = load_arrays((folder / ARRAYS).read_bytes())
        rows = known_rows(stage.pool, {**arrays, "cluster": labels[name]}, _KNOWN_OF_POOL)
        tokens = int(stage.pool.lengths.sum())
        base = read_table((folder / SCORES).read_bytes())
        known[name] = Known(rows, float(arrays["seconds"][0]), tokens, base)
    return known


def cluster_count(known: Mapping[str, Known]) -> int:
    """Return the number of clusters over all pools."""
    return 1 + max(int(stage.rows["cluster"].max()) for stage in known.values())


class FirstSignals:
    """Signals of the very first candidates, computed once: every cell of a seed starts from the same model.

    Under granularity `round` and `stage` the first candidates are the whole pool, so what was scored for one budget
    serves all. Under `batch` they are as many as the budget asks for: cells of one budget share them. A prefix of a
    larger batch would have other last bits, and later rounds, almost all of the work, have models of their own.

    `adapter`: the adaptation mode, and the content hash of its parameters at step 0.
    """

    def __init__(self, layout: Layout, config: AuditConfig, model_hash: str, adapter: tuple[str, str]) -> None:
        # Kind, scale and dropout of the adapter decide gradients, but are no part of its parameters.
        dumped = config.model_dump(mode="json", include={"lora", "peft"})
        key = [*adapter, dumped, config.training.train_head]
        mode = adapter[0]
        # Forward passes are shared between the modes that leave their bits alone.
        base = model_hash if mode in EXACT_AT_START else f"{model_hash} under {adapter}"
        self._signals = _signal_cache(layout, config, base, key)

    def get(self, learner: Learner, batch: Sequence[Tokens], needs: frozenset[str]) -> TimedSignals:
        """Return the signals, from disk where another cell has left them, and the seconds that their passes took."""
        return self._signals.get(learner, batch, needs)


def quality_notes(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> tuple[str, ...]:
    """Return a sentence for each stage that a judge has graded, with what that cost."""
    notes = []
    for name in inputs.stages:
        file = layout.shared / _stage_key(config, inputs, name) / ARRAYS
        if config.quality.source == "judge" and file.is_file():
            notes.append(
                judge_cost_note(config.quality.judge, f"'{name}'", load_arrays(file.read_bytes())["judge_tokens"])
            )
    return tuple(notes)


def _signal_cache(layout: Layout, config: AuditConfig, model_hash: str, adapter: object) -> SignalCache:
    entries = ArrayCache(layout.signals, config.cache.megabytes * _MEGABYTE)
    return SignalCache(entries, _model_key(config, model_hash), adapter, config.evaluation.batch_tokens)


def _model_key(config: AuditConfig, model_hash: str) -> list[object]:
    """What decides the passes over the base model, to the last bit; a GPU rounds otherwise than a processor."""
    return [RESULT_VERSION, model_hash, config.model.dtype, config.model.device, config.evaluation.batch_tokens]


def _stage_key(config: AuditConfig, inputs: AuditInputs, name: str) -> str:
    ood = [shifted.name for shifted in _owned_ood(inputs, name)]
    model = _model_key(config, inputs.model_hash)
    # Under `truncate_prompt` the context decides what the model reads of an example.
    return fingerprint.of_json(
        [
            "stage",
            model,
            config.model.context,
            config.data.template,
            _quality_key(config),
            inputs.quality_model,
            inputs.sentence_model[1] if inputs.sentence_model else None,
            inputs.stages[name].fingerprint,
            ood,
        ]
    )[:16]


def _quality_key(config: AuditConfig) -> object:
    prices = {"judge": {"dollars_per_million_read", "dollars_per_million_written"}}
    return config.quality.model_dump(mode="json", exclude=prices)


def _clusters_key(config: AuditConfig, inputs: AuditInputs) -> str:
    keys = [_stage_key(config, inputs, name) for name in inputs.stages]
    settings = [config.signals.clusters, config.signals.k, config.data.seed]
    return fingerprint.of_json(["clusters", keys, settings])[:16]


def _owned_ood(inputs: AuditInputs, name: str) -> list[EvaluationSet]:
    """Shifted sets that this stage is the first to name, so that each is scored once."""
    owner: dict[str, str] = {}
    for stage in inputs.stages.values():
        for shifted in stage.ood:
            owner.setdefault(shifted.name, stage.name)
    return [shifted for shifted in inputs.ood_sets if owner[shifted.name] == name]


def _embeddings(config: AuditConfig, inputs: AuditInputs, layout: Layout) -> np.ndarray:
    """Return (N, D) the embeddings of all pools, one after the other."""
    folders = [layout.shared / _stage_key(config, inputs, name) for name in inputs.stages]
    return np.concatenate([load_arrays((folder / ARRAYS).read_bytes())["embedding"] for folder in folders])
