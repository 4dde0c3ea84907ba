"""A model's files on disk: where they are, what they hash to, and its tokenizer without its weights."""

import importlib.resources
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError
from farsighted.data.chat import ChatTemplate, compile_template

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
    chat: ChatTemplate | None = None
    """The chat template that examples are written by; None: the project's own."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def shown(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens spelled out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of `text` alone."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


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
    # It takes a moment to import, and most models lie in a folder.
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


def with_chat(tokenizer: TextTokenizer, folder: Path) -> TextTokenizer:
    """Return a tokenizer that writes examples by the folder's chat template; raises `ModelError` where it has none."""
    settings = _json(folder / "tokenizer_config.json")
    file = folder / "chat_template.jinja"
    text = file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")
    if isinstance(text, list):
        named = {entry.get("name"): entry.get("template") for entry in text if isinstance(entry, dict)}
        text = named.get("default")
    if not isinstance(text, str):
        raise ModelError(f"The tokenizer in '{folder}' has no chat template. Write `data.template: plain`.")
    reader = Tokenizer.from_file(str(_tokenizer_file(folder)))
    reader.no_padding()
    reader.no_truncation()
    named_tokens = {
        name: _token_text(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")
    }
    special = {name: found for name, found in named_tokens.items() if found is not None}
    generation = _json(folder / "generation_config.json").get("eos_token_id", [])
    ends = generation if isinstance(generation, list) else [generation]
    end_ids = frozenset({tokenizer.end_id, *(int(token) for token in ends)} | _turn_ends(reader))
    return replace(tokenizer, chat=ChatTemplate(compile_template(text), reader, tokenizer.end_id, end_ids, special))


_TURN_ENDS: Final = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "</s>")


def _turn_ends(reader: Any) -> set[int]:
    """Ids of the tokens that close turns in the templates in use."""
    found = (reader.token_to_id(text) for text in _TURN_ENDS)
    return {int(token) for token in found if token is not None}


def _token_text(named: object) -> str | None:
    found = named.get("content") if isinstance(named, dict) else named
    return found if isinstance(found, str) else None


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
    token = _token_text(_json(folder / "tokenizer_config.json").get("eos_token"))
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
