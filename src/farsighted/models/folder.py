"""A model's files on disk: where they are, what they hash to, what their configuration says."""

import importlib.resources
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError
from farsighted.models.origin import ADAPTER, GGUF, Origin, origin_of
from farsighted.models.unpacked import adapter_files, unpacked
from farsighted.models.weights import (
    ADAPTER_CONFIG,
    first_number,
    has_full_weights,
    has_learned_positions,
    weight_files,
)
from farsighted.models.weights import read_json as read_json

TINY: Final = "tiny"
"""Name of the base model that ships with the package."""

_HUB_NAME: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_HUB_FILES: Final = (
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer*.json",
    "chat_template*.jinja",
    "*.safetensors",
    "*.safetensors.index.json",
)
_OPTIONAL: Final = ("tokenizer_config.json", "chat_template.jinja", "generation_config.json")
"""Files that name end tokens, the chat template and how a model writes; a folder need not have them."""
_POSITIONS: Final = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "context_length",
)
"""What different architectures call the number of their positions."""
_SENTENCE_FILES: Final = ("*.json", "*.txt", "*.model", "*.safetensors")


def model_folder(path: str) -> Path:
    """Return the folder of a model: the shipped one for "tiny", a local folder, or that of a hub name.

    A hub name (owner/name) is downloaded where it is not on this machine yet: configuration, tokenizer and safetensors
    weights, no code. Of a GGUF file (or a folder with one and no other weights), and of an adapter without full
    weights, the folder that is returned holds configuration and tokenizer, and says where the weights are
    (`models.unpacked`). Raises `ModelError` where there is no model.
    """
    return _found(path, ())


def _found(path: str, above: tuple[Path, ...]) -> Path:
    """Return the folder of a model; `above`: adapters that are to be put on it."""
    if path == TINY:
        return Path(str(importlib.resources.files("farsighted"))) / "assets" / "tiny"
    folder = Path(path).expanduser()
    if folder.is_file() and folder.suffix == ".gguf":
        return _of_gguf(folder)
    if _HUB_NAME.fullmatch(path) and not folder.exists():
        folder = _from_hub(path)
    if (folder / ADAPTER_CONFIG).is_file() and not has_full_weights(folder):
        return _of_adapter(folder, above)
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs and not has_full_weights(folder):
        return _of_gguf(_only(ggufs, folder))
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"`model.path` must be '{TINY}', a folder with a Hugging Face model or an adapter, a GGUF file, or a hub "
            f"name (owner/name), but '{path}' has no config.json. Mend the path."
        )
    return folder


def _of_gguf(file: Path) -> Path:
    # Only such a file needs the library that reads it, and torch with it.
    from farsighted.models.gguf import read_gguf

    return unpacked(Origin(GGUF, str(file.resolve())), [file], lambda: read_gguf(file))


def _only(files: Sequence[Path], folder: Path) -> Path:
    if len(files) > 1:
        names = ", ".join(f"'{file.name}'" for file in files)
        raise ModelError(
            f"'{folder}' must hold one GGUF file to be named as a folder, but holds {len(files)}: {names}. Give the "
            "path of the one that is meant."
        )
    return files[0]


def _of_adapter(folder: Path, above: tuple[Path, ...]) -> Path:
    here = folder.resolve()
    named = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ModelError(
            f"'{folder}' holds an adapter without full weights, and its {ADAPTER_CONFIG} does not name the model that "
            "it belongs to (`base_model_name_or_path`). Write its folder or hub name there."
        )
    if here in above:
        raise ModelError(f"The adapter in '{folder}' must not be put on itself: mend `base_model_name_or_path`.")
    # Training programs write the path that they were given, from wherever they ran.
    beside = folder / Path(named).expanduser()
    try:
        base = _found(str(beside) if not Path(named).exists() and beside.is_dir() else named, (*above, here))
    except ModelError as error:
        raise ModelError(
            f"'{folder}' holds an adapter without full weights, so its base model '{named}' is loaded first, but "
            f"cannot be: {error} `base_model_name_or_path` in {ADAPTER_CONFIG} names it."
        ) from error
    found = Origin(ADAPTER, str(here), str(base.resolve()))
    return unpacked(found, _deciding(folder, base), lambda: adapter_files(folder, base))


def _deciding(folder: Path, base: Path) -> list[Path]:
    """Files that what is unpacked of an adapter is made from."""
    small = [file for where in (folder, base) for file in (*where.glob("*.json"), *where.glob("*.jinja"))]
    return sorted([*small, *folder.glob("adapter_model.*")])


def sentence_model(path: str) -> tuple[Path, str]:
    """Return the folder of a sentence-transformers model, local or from the hub, and its content hash.

    Raises `ModelError` where there is none.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir() and _HUB_NAME.fullmatch(path):
        folder = _from_hub(path, _SENTENCE_FILES)
    if (folder / ADAPTER_CONFIG).is_file():
        raise ModelError(
            f"`signals.embedding` must be a whole sentence-transformers model, but '{path}' holds an adapter "
            f"({ADAPTER_CONFIG}), which would be put on a model that is not looked at here. Merge it, save the model "
            "and name that folder."
        )
    files = sorted(file for file in folder.rglob("*") if file.suffix in {".json", ".txt", ".model", ".safetensors"})
    if not any(file.suffix == ".safetensors" for file in files):
        raise ModelError(
            "`signals.embedding` must be a folder or hub name of a sentence-transformers model with safetensors "
            f"weights, but '{path}' has none. Mend the path, or write null."
        )
    # A folder around the model's own has its weights too.
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise ModelError(
            "`signals.embedding` must be a folder or hub name of a sentence-transformers model, but "
            f"'{path}' has neither modules.json nor config.json. Mend the path, or write null."
        )
    return folder, fingerprint.of_files(files)


def _from_hub(name: str, files: Sequence[str] = _HUB_FILES) -> Path:
    # It takes a moment to import, and most models are local folders.
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(files)))
    except Exception as error:  # The library lets through whatever its parts raise.
        reason = str(error).partition("\n")[0][:300].rstrip(".")
        raise ModelError(
            f"The model '{name}' is no folder here and cannot be had from the hub: {reason}. Check the name and the "
            "network, or download it and give its folder."
        ) from error


def model_hash(folder: Path) -> str:
    """Return the SHA-256 of everything that decides what the model and its tokenizer do.

    Of an adapter that is its configuration and weights and all of its base; of a GGUF file the file.

    Raises `ModelError` where there are no safetensors weights, no fast tokenizer, or quantised weights.
    """
    origin = origin_of(folder)
    named = [folder / name for name in _OPTIONAL if (folder / name).is_file()]
    own = [folder / "config.json", tokenizer_file(folder), *named]
    if origin is None:
        return fingerprint.of_files([*own, *weight_files(folder)])
    if origin.kind == GGUF:
        return fingerprint.of_files([*own, origin.path])
    adapter = [origin.path / ADAPTER_CONFIG, *origin.path.glob("adapter_model.safetensors")]
    return fingerprint.of_json(["adapter", fingerprint.of_files([*own, *adapter]), model_hash(origin.base)])


def positions_of(folder: Path) -> int | None:
    """Return how many positions a model's configuration names; None where it names none."""
    return first_number(read_json(folder / "config.json"), _POSITIONS)


def learned_positions(folder: Path) -> int | None:
    """Return the positions of a model that looks them up in a table, which nothing can go beyond; None for others."""
    origin = origin_of(folder)
    if origin is not None and origin.kind == ADAPTER:
        return learned_positions(origin.base)
    learned = has_learned_positions(folder) if origin is None else origin.learned_positions
    return positions_of(folder) if learned else None


class HashedModel(NamedTuple):
    """A model on disk, and the hash of its content."""

    folder: Path
    content: str


def hashed_model(path: str) -> HashedModel:
    """Return what `model_folder` and `model_hash` find; raises `ModelError` as they do."""
    folder = model_folder(path)
    if origin_of(folder) is not None:
        return HashedModel(folder, model_hash(folder))
    files = sorted(file for file in folder.iterdir() if file.is_file())
    stamp = tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return HashedModel(folder, _content(folder, stamp))


@cache
def _content(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    # The hash reads all weights: once for each state of the files.
    return model_hash(folder)


def context_of(folder: Path) -> int:
    """Return how many positions a model has; raises `ModelError` where its configuration does not say."""
    positions = positions_of(folder)
    if positions is None:
        raise ModelError(
            f"'{folder}/config.json' names no number of positions, such as `max_position_embeddings`. Set "
            "`model.context`."
        )
    return positions


def tokenizer_file(folder: Path) -> Path:
    """Return the fast tokenizer's file of a model folder; raises `ModelError` where it has none."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"'{folder}' has no tokenizer.json. Save a fast tokenizer there with `save_pretrained`.")
    return file
