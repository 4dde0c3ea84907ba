"""One template for the whole project: what the tokenizer begins with, prompt, separator, response, end token.

The separator is a line break, put after a prompt that does not end in white space (so an empty prompt becomes a line
break, and the first response token always has something before it). Prompt and response are turned into tokens
apart, so the boundary between them is exact and a response has the same tokens after every prompt.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from farsighted.core.errors import DataError
from farsighted.core.values import Example, Tokens
from farsighted.models.chat import ChatTemplate

OnLong = Literal["error", "skip", "truncate_prompt"]


class Tokenizer(Protocol):
    """What is asked of a tokenizer."""

    @property
    def end_id(self) -> int:
        """The id of the end token."""

    @property
    def begin_ids(self) -> tuple[int, ...]:
        """The ids before every text."""

    @property
    def chat(self) -> ChatTemplate | None:
        """The chat template that examples are written by; None: the project's own."""

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of a text, without any special token."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """An example that was left out because the model cannot read it whole."""

    id: str
    """Id of the example."""
    length: int
    """Its tokens: prompt, response and end token."""
    context: int
    """The tokens that there is room for."""

    def __str__(self) -> str:
        return f"'{self.id}' has {self.length} tokens, the context holds {self.context}"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A set of examples as the model reads them."""

    tokens: tuple[Tokens, ...]
    """What fits, in the order given."""
    skipped: tuple[TooLong, ...]
    """What was left out."""


def prompt_text(prompt: str) -> str:
    r"""Return a prompt with the separator after it, where it needs one.

    >>> prompt_text("2 + 2 ="), prompt_text("Q: ")
    ('2 + 2 =\n', 'Q: ')
    """
    return prompt if prompt[-1:].isspace() else f"{prompt}\n"


def encode(example: Example, tokenizer: Tokenizer, context: int, on_long: OnLong = "error") -> Tokens | None:
    """Return an example as prompt ids, response ids and end token; None where it is to be left out.

    Args:
        example: Prompt and response.
        tokenizer: Turns a text into ids.
        context: The most tokens that an example may have, at least 2.
        on_long: What to do with a longer one: raise; leave it out; or cut its prompt on the left, leaving at least one
            prompt token. A response is never cut: where it alone is too long, the example is left out.

    Raises:
        DataError: A longer example under error, or a prompt or response that becomes no token at all.
    """
    found = _fitted(example, tokenizer, context, on_long)
    return found if isinstance(found, Tokens) else None


def encode_pair(example: Example, context_text: str, continuation: str, read: Callable[[str], Sequence[int]]) -> Tokens:
    """Return a continuation after its context as lm-evaluation-harness reads them, without an end token.

    White space at the end of the context moves to the continuation; both become tokens together and are parted where
    the context alone ends. `read`: a text to ids, with what the tokenizer begins with.
    """
    kept = context_text.rstrip()
    continuation = context_text[len(kept) :] + continuation
    whole_ids, prompt_length = read(kept + continuation), len(read(kept))
    if not 0 < prompt_length < len(whole_ids):
        part = "continuation" if prompt_length else "context"
        raise DataError(f"The {part} of '{example.id}' must become tokens, but becomes none. Mend or remove it.")
    return Tokens(example, tuple(whole_ids), prompt_length)


def encode_pool(examples: Iterable[Example], tokenizer: Tokenizer, context: int, on_long: OnLong = "error") -> Encoded:
    """Return examples as tokens, and those that were left out; see `encode`."""
    found = [_fitted(example, tokenizer, context, on_long) for example in examples]
    kept = tuple(entry for entry in found if isinstance(entry, Tokens))
    return Encoded(kept, tuple(entry for entry in found if isinstance(entry, TooLong)))


def _fitted(example: Example, tokenizer: Tokenizer, context: int, on_long: OnLong) -> Tokens | TooLong:
    if tokenizer.chat is not None:
        prompt_ids, closed_ids = tokenizer.chat.encode(example)
        return _cut(example, prompt_ids, closed_ids, 0, context, on_long)
    begin_ids = list(tokenizer.begin_ids)
    prompt_ids = begin_ids + tokenizer.encode_text(prompt_text(example.prompt))
    response_ids = tokenizer.encode_text(example.response)
    if len(prompt_ids) == len(begin_ids) or not response_ids:
        part = "response" if len(prompt_ids) > len(begin_ids) else "prompt"
        raise DataError(f"The {part} of '{example.id}' must become tokens, but becomes none. Mend or remove it.")
    return _cut(example, prompt_ids, [*response_ids, tokenizer.end_id], len(begin_ids), context, on_long)


def _cut(
    example: Example, prompt_ids: list[int], closed_ids: list[int], begin: int, context: int, on_long: OnLong
) -> Tokens | TooLong:
    """Return the example, cut as `on_long` says where it is too long; the first `begin` ids of a prompt are kept."""
    length = len(prompt_ids) + len(closed_ids)
    if length > context:
        room = context - begin - len(closed_ids)
        if on_long == "error":
            raise DataError(_too_long_message(TooLong(example.id, length, context)))
        if on_long == "skip" or room < 1:
            return TooLong(example.id, length, context)
        prompt_ids = prompt_ids[:begin] + prompt_ids[-room:]
    return Tokens(example, (*prompt_ids, *closed_ids), len(prompt_ids))


def _too_long_message(found: TooLong) -> str:
    return (
        f"An example must fit into {found.context} tokens, but '{found.id}' has {found.length}. Raise `model.context`, "
        "write `data.on_long: skip` to leave such examples out, or `data.on_long: truncate_prompt` to cut prompts (in "
        "`select`: --on-long)."
    )
