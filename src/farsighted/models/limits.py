"""What a model cannot read: ids beyond its embedding."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from farsighted.core.errors import ModelError
from farsighted.core.values import Tokens
from farsighted.models.tokenizer import TextTokenizer, load_tokenizer
from farsighted.models.weights import embedding_rows


def check_tokens(
    folder: Path, tokenizer: TextTokenizer | None, texts: Iterable[tuple[str, Iterable[Sequence[int]]]]
) -> tuple[str, ...]:
    """Return a note where the tokenizer has more tokens than the model has embeddings, and no text needs them.

    Args:
        folder: The model.
        tokenizer: Its tokenizer, whose largest id spares a look at the texts where it fits; None: the texts are read.
        texts: What a set of texts is called, and the ids of each.

    Raises:
        ModelError: A text has a token without an embedding.
    """
    rows = embedding_rows(folder)
    if rows is None:
        return ()
    known = None if tokenizer is None else max(tokenizer.tokenizer.get_vocab(with_added_tokens=True).values())
    if known is not None and known < rows:
        return ()
    largest, where = max(((max(ids, default=0), name) for name, many in texts for ids in many), default=(0, ""))
    if largest >= rows:
        text = (tokenizer or load_tokenizer(folder)).shown([largest])
        raise ModelError(
            f"Every token must have an embedding, but {where} has token {largest} ('{text}') and the model in "
            f"'{folder}' has {rows} rows: {largest + 1 - rows} are missing. Its tokenizer was given tokens that the "
            f"model was not: resize the embedding (`model.resize_token_embeddings({largest + 1})` and "
            "`model.save_pretrained`; new rows are untrained), or take the tokenizer that belongs to the weights."
        )
    if known is None:
        return ()
    return (
        f"The tokenizer in '{folder}' has {known + 1 - rows} tokens beyond the model's {rows} embeddings; no text "
        "here uses them.",
    )


def ids_of(texts: Iterable[Tokens]) -> Iterable[Sequence[int]]:
    """Return the ids of each text."""
    return (tokens.ids for tokens in texts)
