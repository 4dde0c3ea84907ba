"""Weights from a folder: what the library can make of them, where they go, and what is refused in plain words."""

import contextlib
import importlib.util
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from farsighted.core.errors import ModelError
from farsighted.models.gguf import alone, require_gguf, unreadable
from farsighted.models.origin import ADAPTER, GGUF, Origin, model_notes, origin_of
from farsighted.models.weights import ADAPTER_CONFIG, embedding_rows, weight_files

LanguageModel: TypeAlias = PreTrainedModel
"""A causal language model of the library, whatever its architecture."""

_log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A model, and what is to be said of how it was made."""

    model: LanguageModel
    notes: tuple[str, ...]
    """Sentences about weights that were not used, and about where the others come from."""


def load_model(folder: Path, dtype: str, device: str = "auto") -> LanguageModel:
    """Load a causal LM from safetensors weights, nothing from the network, no code from the folder.

    Attention runs through torch's own fused function where the architecture allows it. Of a folder that
    `models.unpacked` wrote, the weights are those that it names: an adapter merged into its base, or a GGUF file's.

    Raises `ModelError` where the library cannot make a causal language model of it, would have to invent weights, or
    where the device is not there or cannot compute in `dtype`.
    """
    return load_noted(folder, dtype, device).model


def load_noted(folder: Path, dtype: str, device: str = "auto") -> Loaded:
    """Return what `load_model` does, with what is to be said of it; raises as it does."""
    target = _device(device, dtype)
    origin = origin_of(folder)
    if origin is not None and origin.kind == ADAPTER:
        return _with_adapter(folder, origin, dtype, target)
    found = _checked(folder, dtype, {}) if origin is None else _of_gguf(folder, origin, dtype)
    return Loaded(found.model.to(target), (*model_notes(folder), *found.notes))


def _with_adapter(folder: Path, origin: Origin, dtype: str, target: torch.device) -> Loaded:
    # Not every model has an adapter, and PEFT takes a second to import.
    from farsighted.models.adapted import merged

    # Products are added in full precision and rounded once.
    base = load_noted(origin.base, "float32", "cpu")
    lm = merged(base.model, origin.path, embedding_rows(folder)).to(dtype=getattr(torch, dtype), device=target)
    return Loaded(lm, tuple(dict.fromkeys((*model_notes(folder), *base.notes))))


def check_loadable(folder: Path, dtype: str, device: str = "auto", *, in_4_bits: bool = False) -> tuple[str, ...]:
    """Raise the `ModelError` that `load_model` or `load_quantized` would; nothing is kept or put on the device.

    The architecture is built without memory and the weights are matched with it by name and shape; those of an adapter
    or a GGUF file are matched only when they are loaded. Returns the notes that `load_noted` would.
    """
    _device(device, dtype)
    if in_4_bits:
        _require_bitsandbytes()
        _refuse_unpacked(folder)
    origin = origin_of(folder)
    if origin is None:
        return (*model_notes(folder), *_checked(folder, dtype, {"device_map": {"": "meta"}}).notes)
    if origin.kind == GGUF:
        require_gguf(origin.path)
        return model_notes(folder)
    return tuple(dict.fromkeys((*model_notes(folder), *check_loadable(origin.base, dtype, device))))


def load_empty(folder: Path, dtype: str) -> LanguageModel:
    """Return the model of a folder without its values, on torch's meta device: its shapes can be tried for free.

    Its configuration alone is read, so that an adapter's or a GGUF file's model can be tried as well; raises what the
    library raises for a folder that `check_loadable` has not passed.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))


def load_quantized(folder: Path, dtype: str, device: str = "auto") -> LanguageModel:
    """Load a causal LM as `load_model` does, its linear layers but the head in 4-bit NormalFloat (nf4, as in QLoRA).

    The constants of the blocks are quantised as well; products are computed in `dtype`. Raises `ModelError`, also where
    bitsandbytes is missing, and for weights that are not a folder's own.
    """
    return load_quantized_noted(folder, dtype, device).model


def load_quantized_noted(folder: Path, dtype: str, device: str = "auto") -> Loaded:
    """Return what `load_quantized` does, with what is to be said of it; raises as it does."""
    target = _device(device, dtype)
    _require_bitsandbytes()
    _refuse_unpacked(folder)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
    try:
        found = _checked(folder, dtype, {"quantization_config": quantization, "device_map": {"": target}})
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(
            f"'{folder}' cannot be loaded in 4 bits on '{target}': {reason}. Use `adaptations: lora`."
        ) from error
    for module in found.model.modules():
        # On some processors the library repacks weights in evaluation mode, for products that have no gradient: every
        # gradient below such a layer would be wrong, without an error.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return Loaded(found.model, (*model_notes(folder), *found.notes))


def _require_bitsandbytes() -> None:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "`adaptations: qlora` needs the library bitsandbytes, which is not installed. Run `pip install "
            "'farsighted[qlora]'`, or use lora."
        )


def _refuse_unpacked(folder: Path) -> None:
    origin = origin_of(folder)
    if origin is not None:
        what = "an adapter on its base" if origin.kind == ADAPTER else "a GGUF file"
        raise ModelError(
            f"`adaptations: qlora` must put a folder's own safetensors weights into 4 bits, but '{origin.path}' is "
            f"{what}. Load it, save the whole model with `save_pretrained` and name that folder; or use lora."
        )


def _of_gguf(folder: Path, origin: Origin, dtype: str) -> Loaded:
    file = origin.path
    require_gguf(file)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    try:
        # Its progress bar heeds no setting.
        with contextlib.redirect_stderr(io.StringIO()), alone(file) as place:
            return _attended(place, dtype, {"gguf_file": file.name, "config": config})
    except ModelError:
        raise
    except Exception as error:  # Its readers let through whatever a damaged file leads them to.
        raise unreadable(file, error) from error


def _checked(folder: Path, dtype: str, options: dict[str, object]) -> Loaded:
    weight_files(folder)
    try:
        with without_adapter(folder) as place:
            return _attended(place, dtype, options, folder)
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


@contextlib.contextmanager
def without_adapter(folder: Path) -> Iterator[Path]:
    """Give the folder, or one with links to its model alone: the library would put an adapter that is there on it."""
    if not (folder / ADAPTER_CONFIG).is_file():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="farsighted-") as name:
        place = Path(name)
        for file in (*folder.glob("*.json"), *weight_files(folder)):
            if file.name != ADAPTER_CONFIG:
                (place / file.name).symlink_to(file.resolve())
        yield place


def _attended(place: Path, dtype: str, options: dict[str, object], folder: Path | None = None) -> Loaded:
    """Load the model with torch's fused attention where it has that; `folder` is what errors call its place."""
    transformers_logging.disable_progress_bar()
    shown = folder or place
    try:
        lm, report = _loaded(place, dtype, {"attn_implementation": "sdpa", **options})
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        _log.warning("The model in '%s' has no fused attention: it runs in plain steps, which are slower.", shown)
        lm, report = _loaded(place, dtype, {"attn_implementation": "eager", **options})
    _refuse_invented(shown, report)
    lm.config.use_cache = False
    return Loaded(lm, _unused_notes(shown, sorted(report["unexpected_keys"])))


def _refuse_invented(folder: Path, report: dict[str, list[str]]) -> None:
    invented = sorted([*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])])
    if not invented:
        return
    packed = next((name for name in sorted(report["unexpected_keys"]) if name.endswith((".qweight", ".absmax"))), None)
    if packed is not None:
        raise ModelError(
            f"The weights in '{folder}' are quantised ('{packed}' is among them): they can be neither trained nor "
            "scored exactly, so they are not loaded. Take the model's original weights."
        )
    raise ModelError(
        f"The weights in '{folder}' must fill the model that its config.json describes, but {len(invented)} are "
        f"missing or of another shape (the first is '{invented[0]}'). Save the whole model with `save_pretrained`."
    )


def _unused_notes(folder: Path, unused: list[str]) -> tuple[str, ...]:
    if not unused:
        return ()
    return (
        f"{len(unused)} of the weights in '{folder}' were not used, because the model that its config.json describes "
        f"has no place for them (the first is '{unused[0]}'). Was it saved with this config.json?",
    )


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
