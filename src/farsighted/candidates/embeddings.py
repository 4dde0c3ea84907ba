"""Embeddings of examples by a sentence-transformers model, kept as they come.

*Reference:* definitions.md#embedding.
"""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from farsighted.core import fingerprint
from farsighted.core.values import Tokens
from farsighted.data.templates import prompt_text
from farsighted.models.sentence import SentenceEncoder
from farsighted.store.cache import ArrayCache

_CHUNK: Final = 512
"""Texts that are embedded and kept at a time: what an interruption costs."""


class Embedded(NamedTuple):
    """What embedding gave."""

    embedding_ND: np.ndarray
    seconds: float
    """What the passes took that gave it, in whatever process."""


def sentence_embeddings(
    encoder: SentenceEncoder, model_hash: str, texts: Sequence[Tokens], entries: ArrayCache
) -> Embedded:
    """Return the embedding of prompt and response of at least one example; only what is not kept is computed."""
    parts, seconds = [], 0.0
    for start in range(0, len(texts), _CHUNK):
        written = [prompt_text(item.example.prompt) + item.example.response for item in texts[start : start + _CHUNK]]
        key = fingerprint.of_json(["sentence", model_hash, written])
        found = entries.read(key)
        if found is None:
            began = time.perf_counter()
            embedding = encoder.embed(written)
            found = {"embedding": embedding, "seconds": np.array([time.perf_counter() - began])}
            entries.write(key, found)
        parts.append(found["embedding"])
        seconds += float(found["seconds"][0])
    return Embedded(np.concatenate(parts), seconds)
