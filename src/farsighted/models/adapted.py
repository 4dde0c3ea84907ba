"""An adapter that was saved alone, merged into the model that it belongs to."""

import warnings
from pathlib import Path
from typing import Final

import torch
from peft import PeftConfig, PeftModelForCausalLM
from peft.tuners.tuners_utils import BaseTuner
from transformers import PreTrainedModel

from farsighted.core.errors import ModelError

_TOLERANCE: Final = 1e-3
"""Of the logits' norm, in float32: merging rounds each weight once."""


def merged(lm: PreTrainedModel, folder: Path, rows: int | None) -> PreTrainedModel:
    """Return a base model with the adapter of a folder added to its weights; `lm` is in float32 and is changed.

    `rows`: of the embedding that the adapter was trained with, which it holds whole where the base's is another.

    Raises:
        ModelError: The adapter is of a kind that does not go into weights, does not fit the model, or merged computes
            something else than beside it.
    """
    try:
        # PEFT draws initial values, which the saved ones replace.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if rows is not None and rows != len(lm.get_input_embeddings().weight):
                lm.resize_token_embeddings(rows, mean_resizing=False)
            config = PeftConfig.from_pretrained(str(folder))
            adapted = PeftModelForCausalLM(lm, config)
            report = adapted.load_adapter(str(folder), "default", torch_device="cpu")
    except (TypeError, ValueError, KeyError, AttributeError, ImportError, RuntimeError, OSError) as error:
        raise _unfit(folder, str(error).strip().partition("\n")[0].rstrip(".")) from error
    if not isinstance(adapted.base_model, BaseTuner) or not hasattr(adapted.base_model, "merge_and_unload"):
        raise ModelError(
            f"The adapter in '{folder}' is of the kind {config.peft_type.value}, which works beside the weights "
            "and cannot be merged into them. Audits start from weights: choose another adapter, or the base model."
        )
    strays = sorted([*report.unexpected_keys, *report.missing_keys])
    if strays:
        raise _unfit(folder, f"{len(strays)} of its weights have no place in the model (the first is '{strays[0]}')")
    return _merged(adapted, folder)


def _merged(adapted: PeftModelForCausalLM, folder: Path) -> PreTrainedModel:
    adapted.eval()
    before = _logits(adapted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm = adapted.base_model.merge_and_unload(safe_merge=True)
    gap = float((_logits(lm) - before).norm() / before.norm())
    if not gap <= _TOLERANCE:
        raise ModelError(
            f"The adapter in '{folder}' must compute the same merged into the weights as beside them, but its logits "
            f"differ by {gap:.2g} of their norm: does it change an embedding that is also the output head? Merge and "
            "save the model as you mean it, and name that folder."
        )
    return lm.requires_grad_(True)


def _unfit(folder: Path, reason: str) -> ModelError:
    return ModelError(
        f"The adapter in '{folder}' cannot be put on its base model: {reason}. Is `base_model_name_or_path` in its "
        "adapter_config.json the model that it was trained on?"
    )


@torch.no_grad()
def _logits(lm: PreTrainedModel) -> torch.Tensor:
    ids = torch.arange(min(16, lm.get_input_embeddings().weight.shape[0]))[None]
    logits: torch.Tensor = lm(input_ids=ids).logits.float()
    return logits
