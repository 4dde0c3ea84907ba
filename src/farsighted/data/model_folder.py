"""A model's files on disk: where they are, what they hash to, and its tokenizer without its weights."""

import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError

TINY: Final = "tiny"
"""Name of the base model that ships with the package."""


@dataclass(frozen=True)
class TextTokenizer:
    """Text to token ids, without special tokens."""

    tokenizer: Any
    end_id: int
    """Id of the end token, which every response is closed with."""
    vocabulary_size: int
    begin_ids: tuple[int, ...] = ()
    """What the tokenizer puts before every text; models that were trained with it need it."""
    harness_begin_ids: tuple[int, ...] = ()
    """The same where lm-evaluation-harness keeps it: for Gemma models alone."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of `text` alone."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def model_folder(path: str) -> Path:
    """Return the folder of a model: the shipped one for "tiny", else a local folder.

    Raises `ModelError` where there is none; nothing is downloaded.
    """
    if path == TINY:
        return Path(str(importlib.resources.files("farsighted"))) / "assets" / "tiny"
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"`model.path` must be '{TINY}' or a folder with a Hugging Face model, but '{path}' has no config.json. "
            "Download the model first and give its folder."
        )
    return folder


def model_hash(folder: Path) -> str:
    """Return the SHA-256 of everything that decides what the model and its tokenizer do.

    Raises `ModelError` where there are no safetensors weights or no fast tokenizer.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(
            f"'{folder}' has no *.safetensors weights. Save the model with `save_pretrained`, which writes them."
        )
    # tokenizer_config.json names the end token, but need not be there.
    named = [folder / name for name in ("tokenizer_config.json",) if (folder / name).is_file()]
    return fingerprint.of_files([folder / "config.json", _tokenizer_file(folder), *named, *weights])


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Load the fast tokenizer of a model folder; raises `ModelError` where it is missing or has no end token."""
    file = _tokenizer_file(folder)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # The library raises nothing narrower.
        raise ModelError(f"'{file}' cannot be read: {error}. Save the tokenizer again.") from error
    # A saved tokenizer may carry the padding and truncation of its last use; examples are never cut in silence.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # The spelling of a special token inside a text is text.
    tokenizer.encode_special_tokens = True
    end_id = _end_id(folder, tokenizer)
    begin_ids = _begin_ids(tokenizer)
    is_gemma = str(_json(folder / "config.json").get("model_type", "")).startswith("gemma")
    return TextTokenizer(tokenizer, end_id, tokenizer.get_vocab_size(), begin_ids, begin_ids if is_gemma else ())


def positions_of(folder: Path) -> int | None:
    """Return how many positions a model's configuration names; None where it names none."""
    positions = _json(folder / "config.json").get("max_position_embeddings")
    return positions if isinstance(positions, int) else None


def context_of(folder: Path) -> int:
    """Return how many positions a model has; raises `ModelError` where its configuration does not say."""
    positions = positions_of(folder)
    if positions is None:
        raise ModelError(f"'{folder}/config.json' names no `max_position_embeddings`. Set `model.context`.")
    return positions


def _tokenizer_file(folder: Path) -> Path:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(f"'{folder}' has no tokenizer.json. Save a fast tokenizer there with `save_pretrained`.")
    return file


def _begin_ids(tokenizer: Any) -> tuple[int, ...]:
    """What stands before a text under the tokenizer's own rule; what it puts after it is left to the template."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    places = [start for start in range(len(whole)) if whole[start : start + len(plain)] == plain]
    return tuple(whole[: places[0]]) if places else ()


def _end_id(folder: Path, tokenizer: Any) -> int:
    named = _json(folder / "tokenizer_config.json").get("eos_token")
    token = named.get("content") if isinstance(named, dict) else named
    end_id = tokenizer.token_to_id(token) if token else None
    if end_id is None:
        end_id = _json(folder / "config.json").get("eos_token_id")
    if isinstance(end_id, list):
        end_id = end_id[0] if end_id else None
    if end_id is None:
        raise ModelError(
            f"The tokenizer in '{folder}' names no end token (`eos_token`); every response must be closed by one."
        )
    return int(end_id)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"'{path}' must hold a JSON object, but does not: {error}. Save the model again.") from error
