"""A GGUF file: its configuration and tokenizer as transformers reads them, its weights dequantised by it."""

import contextlib
import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PretrainedConfig
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.utils import logging as transformers_logging

from farsighted.core.errors import ModelError
from farsighted.models.origin import Unpacked
from farsighted.models.stretched import restore

_POSITIONS: Final = "position_embd.weight"
_TABLE: Final = "rope_freqs.weight"
_SPLIT: Final = "tokenizer.ggml.pre"
_BEGINS: Final = {"llama3", "llama-v3", "llama-bpe"}
"""Rules of tokenizers that begin every text with the begin token."""
_AS_GPT_2: Final = {"gpt-2", "jais", "mpt", "olmo", "phi-2"}
_OTHER_TABLES: Final = ("rope_factors_long.weight", "rope_factors_short.weight")
"""Tables of two lengths of text, which no configuration is made of here."""


@contextlib.contextmanager
def alone(file: Path) -> Iterator[Path]:
    """A folder that holds nothing but a link to the file: the library would also take what lies beside it."""
    with tempfile.TemporaryDirectory(prefix="farsighted-") as name:
        (Path(name) / file.name).symlink_to(file.resolve())
        yield Path(name)


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
        said = _said(file)
        with alone(file) as place:
            config = AutoConfig.from_pretrained(place, gguf_file=file.name, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(
                place, gguf_file=file.name, local_files_only=True, **_begin_of(said)
            )
    except Exception as error:  # Its readers let through whatever a damaged file leads them to.
        raise unreadable(file, error) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    _refuse_lost(file, config, said)
    with tempfile.TemporaryDirectory(prefix="farsighted-") as name:
        folder = Path(name)
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        GenerationConfig(eos_token_id=config.eos_token_id, bos_token_id=config.bos_token_id).save_pretrained(folder)
        files = {entry.name: entry.read_bytes() for entry in sorted(folder.iterdir())}
    kinds = ", ".join(sorted(set(said.kinds.values())))
    note = (
        f"The model is '{file}' ({kinds}), its weights dequantised; configuration and tokenizer are the file's own, as "
        "the library transformers reads them."
    )
    return Unpacked(files, (note, *_split_note(file, said)), _POSITIONS in said.kinds)


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


class _Said(NamedTuple):
    """What a file says of itself."""

    values: dict[str, object]
    """Single values, by name."""
    kinds: dict[str, str]
    """Kind of each tensor, by name."""
    table: np.ndarray | None
    """By what frequencies are divided; None where the file does not say."""


def _said(file: Path) -> _Said:
    from gguf import GGUFReader

    reader = GGUFReader(file)
    values = {name: field.contents() for name, field in reader.fields.items() if len(field.data) == 1}
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    table = next((np.array(tensor.data) for tensor in reader.tensors if tensor.name == _TABLE), None)
    return _Said(values, kinds, table)


def _begin_of(said: _Said) -> dict[str, bool]:
    """Say that texts begin with the begin token where the file leaves it to its kind of tokenizer."""
    silent = "tokenizer.ggml.add_bos_token" not in said.values
    return {"add_bos_token": True} if silent and said.values.get(_SPLIT) in _BEGINS else {}


def _split_note(file: Path, said: _Said) -> tuple[str, ...]:
    """Say where the rule by which the file's tokenizer cuts text into words is none that transformers has."""
    rule = said.values.get(_SPLIT, "default")
    if said.values.get("tokenizer.ggml.model") != "gpt2" or rule in _AS_GPT_2 or rule in GGUF_PRE_TOKENIZER_SPLITS:
        return ()
    return (
        f"The tokenizer in '{file}' cuts text into words by the rule '{rule}', which the library transformers does not "
        "know: it cuts as GPT-2 does, so numbers, white space and other scripts may become other tokens than the model "
        "was trained on. The model's own tokenizer.json, beside its safetensors weights, has the rule.",
    )


def _refuse_lost(file: Path, config: PretrainedConfig, said: _Said) -> None:
    """Put stretched positions back into the configuration, or refuse the file."""
    other = next((name for name in _OTHER_TABLES if name in said.kinds), None)
    lost = other or restore(config, said.values, said.table)
    if lost is not None:
        raise ModelError(
            f"'{file}' stretches its positions ({lost}), but the library transformers loses that when it reads a "
            "GGUF file of this architecture: another model would be loaded. Take the model's safetensors weights."
        )
