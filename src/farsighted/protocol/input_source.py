"""What an audit's texts are read from, and the key that names it: same key, same texts."""

import functools
import importlib.metadata
import importlib.resources
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farsighted.config.audit import AuditConfig
from farsighted.config.quality_source import QualityConfig
from farsighted.core import fingerprint
from farsighted.core.errors import DataError
from farsighted.files.readers import find_files
from farsighted.models.folder import model_folder, model_hash, sentence_model

_LIBRARIES: Final = ("tokenizers", "jinja2", "numpy", "pyarrow")
"""Their versions may decide how a text is read, drawn or cut into tokens."""
_EVALUATION: Final = frozenset({"max_new_tokens", "allow_code_execution", "tasks_folder"})
"""Settings of the evaluation that decide what is in a set."""

Stamps = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The models of an audit on disk, known by their content."""

    folder: Path
    """Of the language model."""
    hash: str
    """Content hash of M_0, which under qlora is the model in 4 bits."""
    sentence_model: tuple[Path, str] | None
    """Folder and content hash of the model that embeds examples; None: the base model does."""
    quality_model: str | None
    """Content hash of the reward model that quality comes from; None where it comes from elsewhere."""


def model_files(config: AuditConfig) -> ModelFiles:
    """Find the models and hash their files; raises `ModelError` where one is missing."""
    folder = model_folder(config.model.path)
    found = model_hash(folder)
    return ModelFiles(
        folder,
        fingerprint.of_json([found, "nf4"]) if "qlora" in config.adaptations else found,
        sentence_model(config.signals.embedding) if config.signals.embedding else None,
        _quality_model(config.quality),
    )


def _quality_model(quality: QualityConfig) -> str | None:
    return model_hash(model_folder(str(quality.reward_model))) if quality.source == "reward_model" else None


@dataclass(frozen=True, slots=True)
class Source:
    """The files and settings that texts are read from, as they were before reading."""

    key: str
    files: tuple[Path, ...]
    stamps: Stamps

    def refuse_changes(self) -> None:
        """Raise `DataError` where a file was changed since: what was read would stand under another's key."""
        for file, before, now in zip(self.files, self.stamps, _stamps(self.files), strict=True):
            if before != now:
                raise DataError(
                    f"'{file}' must stay as it is while it is read, but was changed. Run the command again."
                )


def source_of(config: AuditConfig, models: ModelFiles) -> Source:
    """Return what the texts of a configuration are read from.

    The key covers the files' contents and paths (bad rows are told by path), the configuration as far as it decides a
    text, the models with their tokenizers, and this program. Hashing a file takes about a hundredth of reading it.

    Raises:
        DataError: A file is missing.
    """
    files = _data_files(config)
    stamps = _stamps(files)
    dumped = config.model_dump(mode="json", include={"suite", "stages", "data", "data_root"})
    key = {
        "program": _program(),
        "config": dumped | {"evaluation": config.evaluation.model_dump(mode="json", include=set(_EVALUATION))},
        "context": config.model.context,
        "models": [str(models.folder), models.hash, models.quality_model],
        "sentences": [str(part) for part in models.sentence_model or ()],
        "files": [[str(file), fingerprint.of_files([file])] for file in files],
    }
    return Source(fingerprint.of_json(key)[:16], files, stamps)


def _data_files(config: AuditConfig) -> tuple[Path, ...]:
    root = config.data_root or Path.cwd()
    named = [
        paths
        for stage in config.stages or ()
        for paths in (stage.train, stage.validation, *stage.ood_files.values())
        if not isinstance(paths, int)
    ]
    return tuple(dict.fromkeys(file for paths in named for file in find_files(paths, root)))


def _stamps(files: tuple[Path, ...]) -> Stamps:
    return tuple((state.st_size, state.st_mtime_ns) for state in (file.stat() for file in files))


@functools.cache
def _program() -> str:
    """Return what stands for the code that reads: all of this package, so that no edit is forgotten."""
    sources = sorted(Path(str(importlib.resources.files("farsighted"))).rglob("*.py"))
    versions = [importlib.metadata.version(name) for name in _LIBRARIES]
    return fingerprint.of_json([fingerprint.of_files(sources), versions])
