"""One template for the whole project: what the tokenizer begins with, prompt, separator, response, end token.

The separator is a line break, put after a prompt that does not end in white space (so an empty prompt becomes a line
break, and the first response token always has something before it). Prompt and response are turned into tokens
apart, so the boundary between them is exact and a response has the same tokens after every prompt.

*Reference:* definitions.md#cutting.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from farsighted.core.errors import DataError
from farsighted.core.speakers import KIN_OF
from farsighted.core.values import Example, Tokens
from farsighted.models.writing import Writer, Written

OnLong = Literal["error", "skip", "truncate_prompt"]

WIDEN: Final = "Raise `model.context`"
"""How an example that is too long would fit, where the user has set the context."""


class Tokenizer(Protocol):
    """What is asked of a tokenizer."""

    @property
    def end_id(self) -> int:
        """The id of the end token."""

    @property
    def begin_ids(self) -> tuple[int, ...]:
        """The ids before every text."""

    @property
    def chat(self) -> Writer | None:
        """What writes examples: the chat template, or the texts themselves; None: the project's own template."""

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of a text, without any special token."""

    def spelled(self, text: str) -> str:
        """Return the first of the tokenizer's own marks that a text spells, or nothing."""


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
    cut: int = 0
    """How many of the tokens lack the beginning of their prompt."""


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
            token of it, and its leading system turn whole. Under a chat template the texts of the turns are cut, the
            oldest first, and never what the template writes around them, nor the system's text. A response is never
            cut: where there is no room for it, the example is left out.

    Raises:
        DataError: A longer example under error, a prompt or response that becomes no token at all, or an example that
            the chat template does not write whole.
    """
    found, _ = _fitted(example, tokenizer, context, on_long)
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


def encode_pool(
    examples: Iterable[Example], tokenizer: Tokenizer, context: int, on_long: OnLong = "error", widen: str = WIDEN
) -> Encoded:
    """Return examples as tokens, and those that were left out; see `encode`. `widen`: how there may be more room."""
    found = [_fitted(example, tokenizer, context, on_long, widen) for example in examples]
    skipped = tuple(entry for entry, _ in found if isinstance(entry, TooLong))
    return Encoded(
        tuple(entry for entry, _ in found if isinstance(entry, Tokens)), skipped, sum(cut for _, cut in found)
    )


def cut_note(cut: int, count: int, context: int) -> str:
    """Return the sentence about prompts that were cut."""
    return (
        f"the prompts of {cut:,} of {count:,} examples were cut on the left to fit into {context} tokens "
        "(`on_long: truncate_prompt`)."
    )


def _fitted(
    example: Example, tokenizer: Tokenizer, context: int, on_long: OnLong, widen: str = WIDEN
) -> tuple[Tokens | TooLong, bool]:
    """Return an example, and whether its prompt was cut."""
    written = _plainly(example, tokenizer) if tokenizer.chat is None else tokenizer.chat.encode(example)
    found = _cut(example, written, context, on_long, widen)
    return found, isinstance(found, Tokens) and found.prompt_length < len(written.prompt_ids)


def _plainly(example: Example, tokenizer: Tokenizer) -> Written:
    begin_ids = list(tokenizer.begin_ids)
    prompt_ids = begin_ids + tokenizer.encode_text(prompt_text(example.prompt))
    response_ids = tokenizer.encode_text(example.response)
    if len(prompt_ids) == len(begin_ids) or not response_ids:
        part = "response" if len(prompt_ids) > len(begin_ids) else "prompt"
        raise DataError(f"The {part} of '{example.id}' must become tokens, but becomes none. Mend or remove it.")

    def cuttable() -> Sequence[int]:
        kept = len(begin_ids) + _system_tokens(example, prompt_ids[len(begin_ids) :], tokenizer)
        return range(kept, len(prompt_ids))

    return Written(prompt_ids, [*response_ids, tokenizer.end_id], cuttable)


def _system_tokens(example: Example, ids: Sequence[int], tokenizer: Tokenizer) -> int:
    """Return how many tokens a leading system turn has, with its tools and the next speaker's name; 0 without one."""
    if not example.turns[1:] or example.turns[0][0] not in KIN_OF["system"]:
        return 0
    (role, content), (speaker, _), *_ = example.turns
    head = f"{role}: {content}\n{speaker}: "
    head_ids = tokenizer.encode_text(head) if example.prompt.startswith(head) else []
    # Where a token spans the border, those before it are the system's.
    apart = (place for place, pair in enumerate(zip(head_ids, ids, strict=False)) if pair[0] != pair[1])
    return next(apart, min(len(head_ids), len(ids)))


def _cut(example: Example, written: Written, context: int, on_long: OnLong, widen: str) -> Tokens | TooLong:
    """Return the example, cut as `on_long` says where it is too long."""
    prompt_ids = written.prompt_ids
    length = len(prompt_ids) + len(written.answer_ids)
    over = length - context
    if over > 0:
        if on_long == "error":
            raise DataError(_too_long_message(TooLong(example.id, length, context), widen))
        cuttable = written.cuttable() if on_long == "truncate_prompt" else ()
        if over >= len(cuttable):
            return TooLong(example.id, length, context)
        gone = set(cuttable[:over])
        prompt_ids = [token for place, token in enumerate(prompt_ids) if place not in gone]
    return Tokens(example, (*prompt_ids, *written.answer_ids), len(prompt_ids))


def _too_long_message(found: TooLong, widen: str) -> str:
    return (
        f"An example must fit into {found.context} tokens, but '{found.id}' has {found.length}. {widen}, "
        "write `data.on_long: skip` to leave such examples out, or `data.on_long: truncate_prompt` to cut prompts (in "
        "`select`: --on-long)."
    )
