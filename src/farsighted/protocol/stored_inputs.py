"""Inputs on disk: read and tokenised by one process, mapped by all others.

A folder `shared/inputs/<key>` holds one Arrow file for each pool and set, `inputs.json` for the rest, and a marker with
the SHA-256 of each, written last. Whoever opens a folder hashes its files first: that reads at the disk's speed, far
faster than tokenising, and leaves the files in memory that all processes share. A quadratic world is built anew
instead: that takes a moment, and nothing of it is read or tokenised.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import StorageError
from farsighted.core.measures import Measure
from farsighted.core.values import Example, Pool, Tokens
from farsighted.data.sequences import resolve_orders
from farsighted.evaluation.generation import Generation
from farsighted.evaluation.harness import HarnessTask
from farsighted.evaluation.sets import EvaluationSet
from farsighted.files.rows import BadRow
from farsighted.models.folder import model_folder
from farsighted.models.tokenizer import TextTokenizer, load_tokenizer
from farsighted.protocol.input_source import model_files, source_of
from farsighted.protocol.inputs import AuditInputs, StageInputs, load_inputs, read_inputs
from farsighted.store import atomic
from farsighted.store.layout import MARKER
from farsighted.store.token_table import TokenTable, grouped, ids_alone

_log = logging.getLogger(__name__)

_RECORD: Final = "inputs.json"


@dataclass(frozen=True, slots=True)
class _StoredSet:
    """An evaluation set but for its texts."""

    name: str
    measure: Measure | Literal["harness"]
    chance: float
    ceiling: float
    options: list[int]
    """Options of each item; empty where no item has any."""
    writing: tuple[int, tuple[str, ...]] | None
    """Most new tokens and stops, where the model is made to write."""
    task: HarnessTask | None


@dataclass(frozen=True, slots=True)
class _StoredStage:
    """A stage but for its pool."""

    name: str
    fingerprint: str
    validation: _StoredSet
    ood: list[_StoredSet]


@dataclass(frozen=True, slots=True)
class _StoredInputs:
    """All but texts and orders, which follow from the configuration."""

    key: str
    folder: Path
    model_hash: str
    sentence_model: tuple[Path, str] | None
    quality_model: str | None
    end_ids: tuple[int, ...]
    stages: list[_StoredStage]
    notes: list[str]
    bad_rows: list[BadRow]


_STORED: Final = TypeAdapter(_StoredInputs)


def find_inputs(config: AuditConfig, folder: Path) -> AuditInputs:
    """Return the inputs of an audit, mapped from `folder` where they are there, else read and tokenised into memory.

    What is damaged there is told and deleted. Raises as `load_inputs` does.
    """
    if config.quadratic is not None:
        return load_inputs(config)
    models = model_files(config)
    source = source_of(config, models)
    path = folder / source.key
    if (path / MARKER).is_file():
        try:
            return open_inputs(config, path)
        except StorageError as error:
            _log.warning("%s They are read and tokenised again.", error)
            atomic.remove_folder(path)
    return read_inputs(config, models, source)


def share_inputs(config: AuditConfig, inputs: AuditInputs, folder: Path) -> AuditInputs:
    """Write inputs that are in memory under `folder` and return them mapped; others are returned as they are."""
    if inputs.stored is not None or inputs.folder is None:
        return inputs
    path = folder / inputs.key
    with atomic.new_folder(path) as temporary:
        _write(inputs, inputs.folder, temporary)
    return open_inputs(config, path)


def open_inputs(config: AuditConfig, stored: Path) -> AuditInputs:
    """Map the inputs that another process has written; raises `StorageError` where they are gone or altered."""
    atomic.check_folder(stored)
    try:
        record = _STORED.validate_json((stored / _RECORD).read_bytes())
    except ValidationError as error:
        raise StorageError(f"'{stored / _RECORD}' must hold inputs as this version writes them: {error}") from error
    # What is unpacked of a model is kept on each machine: another one may not have it yet.
    folder = record.folder if record.folder.is_dir() else model_folder(config.model.path)
    reader = _Reader(folder)
    stages = {stage.name: _stage(stage, stored, number, reader) for number, stage in enumerate(record.stages)}
    return AuditInputs(
        folder=folder,
        model_hash=record.model_hash,
        sentence_model=record.sentence_model,
        quality_model=record.quality_model,
        end_ids=record.end_ids,
        decode=reader.shown,
        stages=stages,
        orders=resolve_orders(config.orders, tuple(stages), config.data.seed),
        proxy=TokenTable.open(stored / "proxy.arrow"),
        notes=tuple(record.notes),
        bad_rows=tuple(record.bad_rows),
        key=record.key,
        stored=stored,
    )


def _write(inputs: AuditInputs, model: Path, folder: Path) -> None:
    stages = []
    for number, stage in enumerate(inputs.stages.values()):
        _table(stage.pool.tokens).write(folder / f"{number}-pool.arrow")
        ood = [_write_set(found, folder, f"{number}-ood-{place}") for place, found in enumerate(stage.ood)]
        validation = _write_set(stage.validation, folder, f"{number}-validation")
        stages.append(_StoredStage(stage.name, stage.fingerprint, validation, ood))
    _table(inputs.proxy).write(folder / "proxy.arrow")
    record = _StoredInputs(
        key=inputs.key,
        folder=model,
        model_hash=inputs.model_hash,
        sentence_model=inputs.sentence_model,
        quality_model=inputs.quality_model,
        end_ids=inputs.end_ids,
        stages=stages,
        notes=list(inputs.notes),
        bad_rows=list(inputs.bad_rows),
    )
    (folder / _RECORD).write_bytes(_STORED.dump_json(record))


def _write_set(found: EvaluationSet, folder: Path, name: str) -> _StoredSet:
    _table(found.items).write(folder / f"{name}.arrow")
    options = [len(texts) for texts in found.options] if any(found.options) else []
    if options:
        TokenTable.of(text for texts in found.options for text in texts).write(folder / f"{name}-options.arrow")
    writing = None
    if found.generation is not None:
        writing = (found.generation.max_new_tokens, found.generation.stops)
        prompts = (Tokens(_NO_EXAMPLE, tuple(ids), len(ids)) for ids in found.generation.prompts)
        TokenTable.of(prompts).write(folder / f"{name}-prompts.arrow")
    return _StoredSet(found.name, found.measure, found.chance, found.ceiling, options, writing, found.task)


_NO_EXAMPLE: Final = Example("", "", "")
"""A prompt that the model is to go on from is ids alone."""


def _table(texts: Sequence[Tokens]) -> TokenTable:
    return texts if isinstance(texts, TokenTable) else TokenTable.of(texts)


def _stage(stage: _StoredStage, folder: Path, number: int, reader: "_Reader") -> StageInputs:
    pool = Pool(stage.name, TokenTable.open(folder / f"{number}-pool.arrow"))
    ood = tuple(_set(found, folder, f"{number}-ood-{place}", reader) for place, found in enumerate(stage.ood))
    validation = _set(stage.validation, folder, f"{number}-validation", reader)
    return StageInputs(stage.name, pool, validation, ood, stage.fingerprint)


def _set(stored: _StoredSet, folder: Path, name: str, reader: "_Reader") -> EvaluationSet:
    items = TokenTable.open(folder / f"{name}.arrow")
    options: Sequence[tuple[Tokens, ...]] = ((),) * len(items)
    if stored.options:
        options = grouped(TokenTable.open(folder / f"{name}-options.arrow"), stored.options)
    found = EvaluationSet(stored.name, items, options, stored.measure, stored.chance, stored.ceiling, task=stored.task)
    if stored.writing is None:
        return found
    most, stops = stored.writing
    prompts = ids_alone(TokenTable.open(folder / f"{name}-prompts.arrow"))
    return replace(found, generation=Generation(prompts, most, stops, reader.decode))


class _Reader:
    """A tokenizer that is loaded when ids are first turned into text: few workers ever do that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return load_tokenizer(self._folder)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        return self._tokenizer.decode(ids)

    def shown(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens spelled out."""
        return self._tokenizer.shown(ids)
