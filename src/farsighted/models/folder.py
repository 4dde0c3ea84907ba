"""A model's files on disk: where they are, what they hash to, what their configuration says."""

import importlib.resources
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError

TINY: Final = "tiny"
"""Name of the base model that ships with the package."""

_HUB_NAME: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_HUB_FILES: Final = (
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "chat_template*.jinja",
    "*.safetensors",
    "*.safetensors.index.json",
)
_OPTIONAL: Final = ("tokenizer_config.json", "chat_template.jinja", "generation_config.json")
"""Files that name end tokens, the chat template and how a model writes; a folder need not have them."""
_SENTENCE_FILES: Final = ("*.json", "*.txt", "*.model", "*.safetensors")


def model_folder(path: str) -> Path:
    """Return the folder of a model: the shipped one for "tiny", a local folder, or that of a hub name.

    A hub name (owner/name) is downloaded where it is not on this machine yet: configuration, tokenizer and safetensors
    weights, no code. Raises `ModelError` where there is none.
    """
    if path == TINY:
        return Path(str(importlib.resources.files("farsighted"))) / "assets" / "tiny"
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        if _HUB_NAME.fullmatch(path) and not folder.exists():
            return _from_hub(path)
        raise ModelError(
            f"`model.path` must be '{TINY}', a folder with a Hugging Face model, or a hub name (owner/name), but "
            f"'{path}' has no config.json. Mend the path."
        )
    return folder


def sentence_model(path: str) -> tuple[Path, str]:
    """Return the folder of a sentence-transformers model, local or from the hub, and its content hash.

    Raises `ModelError` where there is none.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir() and _HUB_NAME.fullmatch(path):
        folder = _from_hub(path, _SENTENCE_FILES)
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

    Raises `ModelError` where there are no safetensors weights or no fast tokenizer.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = next((file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern)), None)
        if pickled is not None:
            raise ModelError(
                f"'{folder}' must hold *.safetensors weights, but has pickled ones ('{pickled}'), which may run code "
                "and are never read here. Save the model with `save_pretrained`, which writes safetensors."
            )
        raise ModelError(
            f"'{folder}' has no *.safetensors weights. Save the model with `save_pretrained`, which writes them."
        )
    named = [folder / name for name in _OPTIONAL if (folder / name).is_file()]
    return fingerprint.of_files([folder / "config.json", tokenizer_file(folder), *named, *weights])


def positions_of(folder: Path) -> int | None:
    """Return how many positions a model's configuration names; None where it names none."""
    positions = read_json(folder / "config.json").get("max_position_embeddings")
    return positions if isinstance(positions, int) else None


class HashedModel(NamedTuple):
    """A model on disk, and the hash of its content."""

    folder: Path
    content: str


def hashed_model(path: str) -> HashedModel:
    """Return what `model_folder` and `model_hash` find; raises `ModelError` as they do."""
    folder = model_folder(path)
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
        raise ModelError(f"'{folder}/config.json' names no `max_position_embeddings`. Set `model.context`.")
    return positions


def tokenizer_file(folder: Path) -> Path:
    """Return the fast tokenizer's file of a model folder; raises `ModelError` where it has none."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"'{folder}' has no tokenizer.json. Save a fast tokenizer there with `save_pretrained`.")
    return file


def read_json(path: Path) -> dict[str, object]:
    """Return a file's JSON object, {} where there is no such file; raises `ModelError` where it holds no object."""
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"'{path}' must hold a JSON object, but does not: {error}. Save the model again.") from error
