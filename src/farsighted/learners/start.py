"""What adaptations have in common where they are put on a model: whence chance comes, what the model says."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from farsighted.models.loading import LanguageModel


@contextlib.contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Let libraries draw from a seed out of `rng`, and give torch's generator its state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        torch.set_rng_state(generator.get_state())
        yield


def logits_of(lm: LanguageModel) -> torch.Tensor | None:
    """Return the logits (1, L, V) of a short text, in evaluation mode; None for a model that has no values."""
    if lm.device.type == "meta":
        return None
    was_training = lm.training
    lm.eval()
    ids = torch.arange(min(16, lm.config.get_text_config().vocab_size), device=lm.device)[None]
    with torch.no_grad():
        logits: torch.Tensor = lm(ids).logits.float()
    lm.train(was_training)
    return logits


def reason_of(error: Exception) -> str:
    """Return the first line of a library's error."""
    return str(error).strip().partition("\n")[0].rstrip(".")
