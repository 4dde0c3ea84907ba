"""A model's tokenizer without its weights: text to token ids."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from farsighted.core.errors import ModelError
from farsighted.models.chat import ChatTemplate
from farsighted.models.ends import closing_ids, end_id_of, named_ends, token_text
from farsighted.models.folder import read_json, tokenizer_file
from farsighted.models.jinja import TEMPLATE_ERRORS, Program, compile_program
from farsighted.models.marks import MarkReader, as_marks
from farsighted.models.rendered import RenderedText, answer_headers
from farsighted.models.writing import Writer


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
    chat: Writer | None = None
    """What writes examples: the chat template, or the texts themselves; None: the project's own template."""

    def spelled(self, text: str) -> str:
        """Return the first of the tokenizer's own marks that a text spells, or nothing."""
        return self._marks.spelled(text)

    @cached_property
    def _marks(self) -> MarkReader:
        return MarkReader(self.tokenizer)

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
    ends, size = named_ends(folder, end_id), tokenizer.get_vocab_size()
    return TextTokenizer(as_marks(tokenizer, ends), end_id, size, _begin_ids(tokenizer), ends)


Template = Literal["plain", "chat", "rendered"]
"""Who writes an example: the project, the tokenizer's chat template, or whoever made the file."""


def tokenizer_for(folder: Path, template: Template) -> TextTokenizer:
    """Load the tokenizer of a model folder that writes examples as asked; raises as its parts do."""
    tokenizer = load_tokenizer(folder)
    if template == "plain":
        return tokenizer
    return with_chat(tokenizer, folder) if template == "chat" else with_rendered(tokenizer, folder)


def with_chat(tokenizer: TextTokenizer, folder: Path) -> TextTokenizer:
    """Return a tokenizer that writes examples by the folder's chat template; raises `ModelError` where it has none."""
    program = _program(folder)
    if program is None:
        raise ModelError(f"The tokenizer in '{folder}' has no chat template. Write `data.template: plain`.")
    tokenizer, reader = _with_ends(tokenizer, program, _reader(folder))
    ends = frozenset(tokenizer.end_ids)
    return replace(tokenizer, chat=ChatTemplate(program, reader, tokenizer.end_id, ends))


def with_rendered(tokenizer: TextTokenizer, folder: Path) -> TextTokenizer:
    """Return a tokenizer that reads texts which are rendered already: their marks are tokens, and none is added."""
    program = _program(folder)
    headers = answer_headers(program) if program is not None else ()
    tokenizer, reader = _with_ends(tokenizer, program, _reader(folder))
    again = program.user_header[1] if program is not None else ""
    rendered = RenderedText(reader, tokenizer.begin_ids, frozenset(tokenizer.end_ids), headers, again)
    return replace(tokenizer, chat=rendered)


def _program(folder: Path) -> Program | None:
    """The folder's chat template; None where it has none."""
    settings = read_json(folder / "tokenizer_config.json")
    file = folder / "chat_template.jinja"
    text = file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")
    if isinstance(text, list):
        named = {entry.get("name"): entry.get("template") for entry in text if isinstance(entry, dict)}
        text = named.get("default")
    if not isinstance(text, str):
        return None
    found = {name: token_text(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return compile_program(text, {name: token for name, token in found.items() if token is not None})


def _reader(folder: Path) -> Tokenizer:
    reader = Tokenizer.from_file(str(tokenizer_file(folder)))
    reader.no_padding()
    reader.no_truncation()
    return reader


def _with_ends(
    tokenizer: TextTokenizer, program: Program | None, reader: Tokenizer
) -> tuple[TextTokenizer, MarkReader]:
    """Add the marks that the template closes an answer with to the ends, which are marks to both readers of text."""
    closings = closing_ids(lambda answer: _trial(program, answer), reader) if program is not None else ()
    ends = tuple(dict.fromkeys((*tokenizer.end_ids, *closings)))
    marked = replace(tokenizer, tokenizer=as_marks(tokenizer.tokenizer, ends), end_ids=ends)
    return marked, MarkReader(as_marks(reader, ends))


def _trial(program: Program, answer: str) -> Iterator[str]:
    """The shortest conversation, written by a template; nothing where it refuses that."""
    with contextlib.suppress(*TEMPLATE_ERRORS):
        yield program.write(({"role": "user", "content": "a"}, {"role": "assistant", "content": answer}))


def _begin_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that the tokenizer itself puts before a text. What it puts after a text is left to the template."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    places = [start for start in range(len(whole)) if whole[start : start + len(plain)] == plain]
    return tuple(whole[: places[0]]) if places else ()
