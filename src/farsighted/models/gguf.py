"""A GGUF file: its configuration and tokenizer as transformers reads them, its weights dequantised by it."""

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PretrainedConfig
from transformers.utils import logging as transformers_logging

from farsighted.core.errors import ModelError
from farsighted.models.origin import Unpacked

_UNKNOWN: Final = "is not supported"
_POSITIONS: Final = "position_embd.weight"
_SCALES: Final = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tables of factors by which positions are stretched."""


def read_gguf(file: Path) -> Unpacked:
    """Return configuration, tokenizer and chat template of a GGUF file, as files of a model's folder.

    Raises `ModelError` where the library is missing, cannot read the file, or would lose what the file says of its
    positions.
    """
    require_gguf(file)
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    except Exception as error:  # Its readers let through whatever a damaged file leads them to.
        raise unreadable(file, error) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    said, tensors = _said(file)
    _refuse_lost_scaling(file, said, tensors, config)
    with tempfile.TemporaryDirectory(prefix="farsighted-") as name:
        folder = Path(name)
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        GenerationConfig(eos_token_id=config.eos_token_id, bos_token_id=config.bos_token_id).save_pretrained(folder)
        files = {entry.name: entry.read_bytes() for entry in sorted(folder.iterdir())}
    kinds = ", ".join(sorted(set(tensors.values())))
    note = (
        f"The model is '{file}' ({kinds}), its weights dequantised; configuration and tokenizer are the file's own, as "
        "the library transformers reads them."
    )
    return Unpacked(files, (note,), _POSITIONS in tensors)


def require_gguf(file: Path) -> None:
    """Raise `ModelError` where the library that reads GGUF files is missing."""
    if importlib.util.find_spec("gguf") is None:
        raise ModelError(
            f"'{file}' is a GGUF file, which needs the library gguf. Run `pip install 'farsighted[gguf]'`, or take the "
            "model's safetensors weights."
        )


def unreadable(file: Path, error: Exception) -> ModelError:
    """Return the error about a file that transformers cannot make a model of."""
    reason = str(error).strip().partition("\n")[0][:300].rstrip(".")
    return ModelError(
        f"'{file}' cannot be loaded as a GGUF model: {reason or type(error).__name__}. Take the model's safetensors "
        "weights, or a file of an architecture that the library transformers can read."
    )


def _said(file: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Return what a file says of itself in single values, and the name and kind of each tensor."""
    from gguf import GGUFReader

    reader = GGUFReader(file)
    short = {name: field for name, field in reader.fields.items() if len(field.data) == 1}
    return (
        {name: field.contents() for name, field in short.items()},
        {tensor.name: tensor.tensor_type.name for tensor in reader.tensors},
    )


def _refuse_lost_scaling(
    file: Path, said: Mapping[str, object], tensors: Sequence[str] | Mapping[str, str], config: PretrainedConfig
) -> None:
    """Refuse a file whose positions are stretched where the configuration made from it does not say so."""
    scaled = [name for name in _SCALES if name in tensors]
    for name, value in said.items():
        if name.endswith((".rope.scaling.factor", ".rope.scale_linear")) and value not in {0.0, 1.0}:
            scaled.append(name)
    if scaled and not _says_scaling(getattr(config, "rope_parameters", None)):
        raise ModelError(
            f"'{file}' stretches its positions ({scaled[0]}), but the library transformers loses that when it reads a "
            "GGUF file of this architecture: another model would be loaded. Take the model's safetensors weights."
        )


def _says_scaling(found: object) -> bool:
    if not isinstance(found, dict):
        return False
    kind = found.get("rope_type", "default")
    return kind != "default" or any(_says_scaling(inner) for inner in found.values())
