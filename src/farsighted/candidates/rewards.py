"""Scores of a reward model, kept as they come: an interruption costs one chunk, and nothing is scored twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from farsighted.core import fingerprint
from farsighted.core.values import Example
from farsighted.models.folder import model_hash
from farsighted.store.cache import ArrayCache

_CHUNK: Final = 512
"""Examples that are scored and kept at a time."""
_LIMIT: Final = 10**9
"""Bytes; a score takes eight."""


def kept_rewards(examples: Sequence[Example], folder: Path, batch_tokens: int, kept: Path) -> np.ndarray:
    """Return (N,) the scores of the reward model in `folder`; only what is not kept under `kept` is computed.

    Raises `ModelError` as `learners.reward.RewardModel` does.
    """
    # It needs torch, which reports start without.
    from farsighted.learners.reward import RewardModel

    entries, name = ArrayCache(kept / "rewards", _LIMIT), model_hash(folder)
    model: RewardModel | None = None
    parts = [np.empty(0)]
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        key = fingerprint.of_json(["reward", name, batch_tokens, fingerprint.of_examples(chunk)])
        found = entries.read(key)
        if found is None:
            model = model or RewardModel(folder)
            found = {"reward": model.scores(chunk, batch_tokens)}
            entries.write(key, found)
        parts.append(found["reward"])
    return np.concatenate(parts)
