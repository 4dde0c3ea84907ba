"""Where an answer ends: one list of tokens for training, teacher forcing and generation.

*Reference:* definitions.md#where-an-answer-ends.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from farsighted.core.errors import ModelError
from farsighted.models.folder import read_json

_ANSWER: Final = "Zyx"
"""A word that no template writes by itself."""

Closings = Callable[[str], Iterable[str]]
"""From an answer to conversations that end in it, as a chat template writes them."""


def end_id_of(folder: Path, tokenizer: Tokenizer) -> int:
    """Return the end token's id: the tokenizer's own, else the first that the model's configuration names.

    Raises `ModelError` where none is named.
    """
    token = token_text(read_json(folder / "tokenizer_config.json").get("eos_token"))
    own = tokenizer.token_to_id(token) if token else None
    if own is not None:
        return int(own)
    named = (*_ids_in(folder, "config.json"), *_ids_in(folder, "generation_config.json"))
    if not named:
        raise ModelError(
            f"The tokenizer in '{folder}' names no end token (`eos_token`); every response must be closed by one."
        )
    return named[0]


def named_ends(folder: Path, end_id: int) -> tuple[int, ...]:
    """Return the tokens that a model's folder names as ends, the end token first.

    They are those of `generation_config.json`, which may name several, and of `config.json` where that names none.
    """
    named = _ids_in(folder, "generation_config.json") or _ids_in(folder, "config.json")
    return tuple(dict.fromkeys((end_id, *named)))


def closing_ids(written: Closings, reader: Tokenizer) -> tuple[int, ...]:
    """Return the tokens that close an answer in what a chat template writes: the first mark after it, in each text.

    None where the template closes answers by words, or by a mark that the tokenizer does not know: the end token is
    put after those.

    Args:
        written: Gives conversations that end in an answer; one that a template refuses is left out.
        reader: The tokenizer as it reads marks: as tokens.
    """
    # Not only special tokens: some tokenizers add the marks of turns as plain ones.
    marks = set(reader.get_added_tokens_decoder())
    found: dict[int, None] = {}
    for text in written(_ANSWER):
        rest = text.rpartition(_ANSWER)[2]
        ids = reader.encode(rest, add_special_tokens=False).ids
        found |= dict.fromkeys([token for token in ids if token in marks][:1])
    return tuple(found)


def token_text(named: object) -> str | None:
    """Return the text of a token as a tokenizer's settings name it: by itself, or with its properties."""
    found = named.get("content") if isinstance(named, dict) else named
    return found if isinstance(found, str) else None


def _ids_in(folder: Path, file: str) -> tuple[int, ...]:
    """The ends that a file names: one, several or none; of a model with other parts, those of its text model."""
    settings = read_json(folder / file)
    inner = settings.get("text_config")
    named = settings.get("eos_token_id")
    if named is None and isinstance(inner, dict):
        named = inner.get("eos_token_id")
    listed = named if isinstance(named, list) else [named]
    return tuple(token for token in listed if isinstance(token, int) and not isinstance(token, bool))
