"""Weights from a folder: what the library can make of them, where they go, and what is refused in plain words."""

import importlib.util
import logging
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from farsighted.core.errors import ModelError

LanguageModel: TypeAlias = PreTrainedModel
"""A causal language model of the library, whatever its architecture."""

_log = logging.getLogger(__name__)


def load_model(folder: Path, dtype: str, device: str = "auto") -> LanguageModel:
    """Load a causal LM from safetensors weights, nothing from the network, no code from the folder.

    Attention runs through torch's own fused function where the architecture allows it.

    Raises `ModelError` where the library cannot make a causal language model of it, would have to invent weights, or
    where the device is not there or cannot compute in `dtype`.
    """
    target = _device(device, dtype)
    return _checked(folder, dtype, {}).to(target)


def check_loadable(folder: Path, dtype: str, device: str = "auto", *, in_4_bits: bool = False) -> None:
    """Raise the `ModelError` that `load_model` or `load_quantized` would; nothing is kept or put on the device.

    The architecture is built without memory and the weights are matched with it by name and shape.
    """
    _device(device, dtype)
    if in_4_bits:
        _require_bitsandbytes()
    _checked(folder, dtype, {"device_map": {"": "meta"}})


def load_empty(folder: Path, dtype: str) -> LanguageModel:
    """Return the model of a folder without its values, on torch's meta device: its shapes can be tried for free."""
    return _checked(folder, dtype, {"device_map": {"": "meta"}})


def load_quantized(folder: Path, dtype: str, device: str = "auto") -> LanguageModel:
    """Load a causal LM as `load_model` does, its linear layers but the head in 4-bit NormalFloat (nf4, as in QLoRA).

    The constants of the blocks are quantised as well; products are computed in `dtype`. Raises `ModelError`, also where
    bitsandbytes is missing.
    """
    target = _device(device, dtype)
    _require_bitsandbytes()
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
    try:
        lm = _checked(folder, dtype, {"quantization_config": quantization, "device_map": {"": target}})
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(
            f"'{folder}' cannot be loaded in 4 bits on '{target}': {reason}. Use `adaptations: lora`."
        ) from error
    for module in lm.modules():
        # On some processors the library repacks weights in evaluation mode, for products that have no gradient: every
        # gradient below such a layer would be wrong, without an error.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return lm


def _require_bitsandbytes() -> None:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "`adaptations: qlora` needs the library bitsandbytes, which is not installed. Run `pip install "
            "'farsighted[qlora]'`, or use lora."
        )


def _checked(folder: Path, dtype: str, options: dict[str, object]) -> LanguageModel:
    transformers_logging.disable_progress_bar()
    try:
        try:
            lm, report = _loaded(folder, dtype, {"attn_implementation": "sdpa", **options})
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            _log.warning("The model in '%s' has no fused attention: it runs in plain steps, which are slower.", folder)
            lm, report = _loaded(folder, dtype, {"attn_implementation": "eager", **options})
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        if "custom code" in str(error):
            raise ModelError(
                f"The model in '{folder}' needs code that comes with it, which is never run here. Choose a model whose "
                "architecture the library transformers has built in."
            ) from error
        # Some of the library's messages list everything that it knows.
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(
            f"'{folder}' cannot be loaded as a causal language model: {reason}. Save one there with `save_pretrained`."
        ) from error
    except ImportError as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelError(
            f"The model in '{folder}' needs a library that is not installed: {reason}. Install it, or choose another "
            "model."
        ) from error
    invented = sorted([*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])])
    if invented:
        raise ModelError(
            f"The weights in '{folder}' must fill the model that its config.json describes, but {len(invented)} are "
            f"missing or of another shape (the first is '{invented[0]}'). Save the whole model with `save_pretrained`."
        )
    lm.config.use_cache = False
    return lm


def _loaded(folder: Path, dtype: str, options: dict[str, object]) -> tuple[LanguageModel, dict[str, list[str]]]:
    verbosity = transformers_logging.get_verbosity()
    # Our own error names the keys that do not fit: the library's table would say it twice.
    transformers_logging.set_verbosity_error()
    try:
        lm, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # the caller refuses them, by name
            output_loading_info=True,
            **options,
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
    return lm, report


def _device(name: str, dtype: str) -> torch.device:
    """Return the device meant; "auto" is the first GPU where there is one."""
    found = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        device = torch.device(found)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(
            f"`model.device` must be a device of this machine, but '{name}' is not: {reason}. Write auto or cpu, or "
            "install a torch build for the device."
        ) from error
    if device.type == "cuda" and dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        raise ModelError(f"'{device}' does not compute in bfloat16. Set `model.dtype` to float16 or float32.")
    return device
