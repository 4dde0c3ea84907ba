"""A model's tokenizer without its weights: text to token ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from farsighted.core.errors import DataError, ModelError
from farsighted.models.chat import ChatTemplate, compile_template
from farsighted.models.ends import closing_ids, end_id_of, named_ends, token_text
from farsighted.models.folder import read_json, tokenizer_file


@dataclass(frozen=True)
class TextTokenizer:
    """Text to token ids, without special tokens."""

    tokenizer: Tokenizer
    end_id: int
    """Id of the end token, which every response is closed with."""
    vocabulary_size: int
    begin_ids: tuple[int, ...] = ()
    """What the tokenizer puts before every text; models that were trained with it need it."""
    end_ids: tuple[int, ...] = ()
    """The tokens that end an answer where the model writes: the end token, and what else the model may close it with.

    *Reference:* definitions.md#where-an-answer-ends.
    """
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


def load_tokenizer(folder: Path) -> TextTokenizer:
    """Load the fast tokenizer of a model folder; raises `ModelError` where it is missing or has no end token."""
    file = tokenizer_file(folder)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # The library raises nothing narrower.
        raise ModelError(f"'{file}' cannot be read: {error}. Save the tokenizer again.") from error
    # A saved tokenizer may carry the padding and truncation of its last use; examples are never cut in silence.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # The spelling of a special token inside a text is text.
    tokenizer.encode_special_tokens = True
    end_id = end_id_of(folder, tokenizer)
    size = tokenizer.get_vocab_size()
    return TextTokenizer(tokenizer, end_id, size, _begin_ids(tokenizer), named_ends(folder, end_id))


def with_chat(tokenizer: TextTokenizer, folder: Path) -> TextTokenizer:
    """Return a tokenizer that writes examples by the folder's chat template; raises `ModelError` where it has none."""
    settings = read_json(folder / "tokenizer_config.json")
    file = folder / "chat_template.jinja"
    text = file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")
    if isinstance(text, list):
        named = {entry.get("name"): entry.get("template") for entry in text if isinstance(entry, dict)}
        text = named.get("default")
    if not isinstance(text, str):
        raise ModelError(f"The tokenizer in '{folder}' has no chat template. Write `data.template: plain`.")
    reader = Tokenizer.from_file(str(tokenizer_file(folder)))
    reader.no_padding()
    reader.no_truncation()
    named_tokens = {
        name: token_text(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")
    }
    special = {name: found for name, found in named_tokens.items() if found is not None}
    chat = ChatTemplate(compile_template(text), reader, tokenizer.end_id, frozenset(tokenizer.end_ids), special)
    closings = closing_ids(lambda answer: _conversations(chat, answer), reader)
    end_ids = tuple(dict.fromkeys((*tokenizer.end_ids, *closings)))
    return replace(tokenizer, end_ids=end_ids, chat=replace(chat, end_ids=frozenset(end_ids)))


def _conversations(chat: ChatTemplate, answer: str) -> Iterator[str]:
    """The shortest conversation, written by a template; nothing where it refuses that."""
    try:
        yield chat.written("the template's trial", (("user", "a"), ("assistant", answer)), asks=False)
    except DataError:
        return


def _begin_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that the tokenizer itself puts before a text. What it puts after a text is left to the template."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    places = [start for start in range(len(whole)) if whole[start : start + len(plain)] == plain]
    return tuple(whole[: places[0]]) if places else ()
