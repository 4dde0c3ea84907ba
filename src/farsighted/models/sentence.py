"""Sentence embeddings by the library sentence-transformers, where a user prefers them to the model's own states."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from farsighted.core.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH_TEXTS = 32


class SentenceEncoder:
    """Embeds texts with one sentence-transformers model; the weights are loaded when the first text comes."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self._folder = folder
        self._device = None if device == "auto" else device
        self._model: SentenceTransformer | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, D) embeddings of length 1, float32; a text longer than the model reads loses its end.

        The same texts in the same order give the same bits. Raises `ModelError` where the library is missing or can
        make no sentence encoder of the folder.
        """
        if self._model is None:
            self._model = _loaded(self._folder, self._device)
        found: np.ndarray = self._model.encode(
            list(texts), batch_size=_BATCH_TEXTS, show_progress_bar=False, normalize_embeddings=True
        )
        return found.astype(np.float32)


def require_sentence_transformers() -> None:
    """Raise `ModelError` where sentence-transformers is not installed."""
    if importlib.util.find_spec("sentence_transformers") is None:
        raise ModelError(
            "`signals.embedding` needs the library sentence-transformers, which is not installed. Run `pip install "
            "'farsighted[sentence-transformers]'`, or write null for the model's own states."
        )


def _loaded(folder: Path, device: str | None) -> "SentenceTransformer":
    require_sentence_transformers()
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # The library lets through whatever its parts raise.
        reason = str(error).partition("\n")[0][:300].rstrip(".")
        raise ModelError(
            f"'{folder}' cannot be loaded as a sentence-transformers model: {reason}. Name another `signals.embedding`."
        ) from error
