"""Whether prompts of different lengths may share a batch: measured, since some models read the pads and say nothing.

*Reference:* definitions.md#padding.
"""

from typing import Final

import torch
from torch import Tensor

from farsighted.core.errors import ModelError
from farsighted.learners.generate import left_padded, no_defaults
from farsighted.models.loading import LanguageModel
from farsighted.signals.scoring import TOLERANCE, TOLERANCE_HALF

WRITES_ALONE: Final = (
    "Prompts are answered one at a time, which is slower than in batches: this model answers a prompt differently "
    "beside a longer one, because it reads the padding."
)
"""What is said of a model that pads change."""
_SHORT: Final = 4
_LONG: Final = 28
_NEW: Final = 2
_FAILURES: Final = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)
"""A model that is not made for writing can fail in as many ways."""
_STEP: Final = 7919
"""A prime: ids that are spread over any vocabulary."""


@torch.no_grad()
def ignores_pads(lm: LanguageModel, pad_id: int, vocabulary_size: int, virtual_tokens: int = 0) -> bool:
    """Return whether the model writes after a prompt alone what it writes after it beside a longer one.

    The logits of the first new tokens are compared, since a random model may write the same tokens by accident.

    Args:
        lm: In evaluation mode; stays as it was.
        pad_id: What prompts are padded with on the left.
        vocabulary_size: V.
        virtual_tokens: Positions that its adapter puts before every text.

    Raises:
        ModelError: The model writes nothing at all.
    """
    positions = getattr(lm.config, "max_position_embeddings", None)
    longest = (
        _LONG if not isinstance(positions, int) else max(_SHORT + 1, min(_LONG, positions - virtual_tokens - _NEW))
    )
    ids = [(place * _STEP) % vocabulary_size for place in range(1, longest + 1)]
    alone, beside = _logits(lm, [ids[:_SHORT]], pad_id), _logits(lm, [ids[:_SHORT], ids], pad_id)
    tolerance = TOLERANCE if lm.dtype == torch.float32 else TOLERANCE_HALF
    for one_V, other_V in zip(alone, beside, strict=True):
        spread = float((one_V - one_V.mean()).norm())
        # Written so that NaN fails too.
        if not float((one_V - other_V).norm()) <= tolerance * spread:
            return False
        if int(one_V.argmax()) != int(other_V.argmax()):
            # A tie within rounding: what comes next is another text.
            break
    return True


def _logits(lm: LanguageModel, prompts: list[list[int]], pad_id: int) -> list[Tensor]:
    """Return the logits of the first prompt's new tokens, (V,) each."""
    ids_BL, mask_BL = left_padded(prompts, pad_id, lm.device)
    with no_defaults(lm) as settings:
        settings.update(max_new_tokens=_NEW, do_sample=False, use_cache=True, pad_token_id=pad_id)
        settings.update(output_logits=True, return_dict_in_generate=True)
        try:
            out = lm.generate(ids_BL, attention_mask=mask_BL, generation_config=settings)
        except _FAILURES as error:
            raise ModelError(
                f"{type(lm).__name__} cannot write text: {error}. Choose measures that read no text, or another model."
            ) from error
    return [step_BV[0].float() for step_BV in out.logits]
