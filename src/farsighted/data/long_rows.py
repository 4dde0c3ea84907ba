"""Examples that a model cannot read whole, found before the others are looked at."""

import numpy as np

from farsighted.core.errors import DataError
from farsighted.core.values import Example, Tokens
from farsighted.data.templates import Encoded, Tokenizer, TooLong, encode_pool
from farsighted.files.formats import Examples


def encode_all(found: Examples, tokenizer: Tokenizer, context: int) -> Encoded:
    """Return all examples as tokens, in file order; raises `DataError` where some are too long, with how many.

    The longest texts come first. Where one of them is too long, only those are looked at after it that may be so too: a
    token is a byte of text at least, so the error comes before a large file is turned into tokens for nothing.
    """
    examples = found.examples
    size_N = np.array([_bytes(example) for example in examples], dtype=np.int64)
    tokens: dict[int, Tokens] = {}
    too_long: list[TooLong] = []
    least = ""
    for row in np.argsort(-size_N, kind="stable").tolist():
        if too_long and size_N[row] < context:
            # Only texts themselves are bounded by their bytes, not what a chat template writes of its own accord.
            least = "at least " if tokenizer.chat is not None else ""
            break
        encoded = encode_pool([examples[row]], tokenizer, context, "skip")
        too_long += encoded.skipped
        tokens.update(zip([row], encoded.tokens, strict=False))
    if too_long:
        raise DataError(_message(too_long, found, context, least))
    return Encoded(tuple(tokens[row] for row in range(len(examples))), ())


def _bytes(example: Example) -> int:
    # A template of two marks for each turn, of some bytes each, is bounded by the texts that it stands around.
    turns = sum(len(role) + len(text.encode("utf-8", "surrogatepass")) + _MARKS for role, text in example.turns)
    whole = turns or len(example.prompt.encode("utf-8", "surrogatepass")) + _MARKS
    return whole + len(example.response.encode("utf-8", "surrogatepass")) + len(example.conversation) + _MARKS


_MARKS = 16
"""Tokens that a template puts around a turn, generously."""


def _message(too_long: list[TooLong], found: Examples, context: int, least: str) -> str:
    longest = "\n".join(f"  '{row.id}' ({found.places[row.id]}) has {row.length:,}" for row in too_long[:3])
    return (
        f"Examples must fit into the model's {context:,} tokens, but {least}{len(too_long):,} of "
        f"{len(found.examples):,} are longer. Give --on-long skip to leave them out, or --on-long truncate_prompt to "
        f"cut their prompts (in Python: on_long). The longest:\n{longest}"
    )
