"""Which files of a folder are a model's weights, and what lies beside them that nobody reads."""

import json
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from farsighted.core.errors import ModelError

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"

_WHOLE: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_PICKLED: Final = ("*.bin", "*.pt", "*.pth")
_LEARNED_POSITIONS: Final = re.compile(
    r"(^|\.)(wpe|embed_positions|positions_embed|position_embeddings?|positional_embeddings?|position_embd)\.weight$"
)
_BITS: Final = {"load_in_4bit": "4 bits", "load_in_8bit": "8 bits"}


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files that are loaded, in order of name; no other file counts as the model's.

    They are those that the library transformers takes: what `transformers_weights` of config.json names, else
    model.safetensors, else the shards of its index.

    Raises:
        ModelError: There are none, the index names files that are not there, or the weights are pickled or quantised.
    """
    refuse_quantised(folder)
    named = read_json(folder / "config.json").get("transformers_weights")
    chosen = next(
        (name for name in (named, _WHOLE, _INDEX) if isinstance(name, str) and (folder / name).is_file()), None
    )
    if chosen is None:
        raise _without_weights(folder)
    return _shards(folder, chosen) if chosen.endswith(".index.json") else (folder / chosen,)


def has_full_weights(folder: Path) -> bool:
    """Return whether a folder has weights beside those of an adapter, of whatever format."""
    files = [file.name for pattern in ("*.safetensors", "pytorch_model*.bin") for file in folder.glob(pattern)]
    return any(not name.startswith("adapter_model") for name in files)


def beside_notes(folder: Path) -> tuple[str, ...]:
    """Return a sentence about each kind of weights in a model's folder that are not loaded."""
    notes = []
    if (folder / ADAPTER_CONFIG).is_file():
        notes.append(
            f"The adapter in '{folder}' ({ADAPTER_CONFIG}) is not loaded, because full weights stand beside it: they "
            "are the model. Give a folder that holds the adapter alone to have it put on its base."
        )
    loaded = {file.name for file in weight_files(folder)}
    others = sorted(file.name for pattern in ("*.safetensors", "*.gguf") for file in folder.glob(pattern))
    unread = [name for name in others if name not in loaded and not name.startswith("adapter_model")]
    if unread:
        notes.append(
            f"Not read in '{folder}': {_listed(unread)}. The model is {_listed(sorted(loaded))}, as the library "
            "transformers chooses."
        )
    return tuple(notes)


def refuse_quantised(folder: Path) -> None:
    """Raise `ModelError` for weights that were quantised before, with how to get others."""
    config = read_json(folder / "config.json")
    text = config.get("text_config")
    found = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, dict) else None)
    if not isinstance(found, dict):
        return
    method = str(found.get("quant_method") or "bitsandbytes")
    bits = [f"{found[key]} bits" for key in ("bits", "w_bit") if isinstance(found.get(key), int)]
    bits += [words for key, words in _BITS.items() if found.get(key)]
    raise ModelError(
        f"The weights in '{folder}' are quantised ({', '.join([method, *bits[:1]])}, as its config.json says): they "
        "can be neither trained nor scored exactly, so they are not loaded. Take the model's original weights; "
        "`adaptations: qlora` puts those into 4 bits itself."
    )


def has_learned_positions(folder: Path) -> bool:
    """Return whether positions are looked up in a table of the weights, which ends where the table ends."""
    return any(_LEARNED_POSITIONS.search(name) for file in weight_files(folder) for name in tensor_shapes(file))


def tensor_shapes(file: Path) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of each tensor in a safetensors file, from its header alone.

    Raises `ModelError` where the file is no safetensors file.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelError(
            f"The weights in '{file}' cannot be loaded: they are damaged or no safetensors. Save the model again."
        ) from error


def read_json(path: Path) -> dict[str, object]:
    """Return a file's JSON object, {} where there is no such file; raises `ModelError` where it holds no object."""
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"'{path}' must hold a JSON object, but does not: {error}. Save the model again.") from error


def embedding_rows(folder: Path) -> int | None:
    """Return the rows of a model's embedding, as its configuration says; None where it does not."""
    return first_number(read_json(folder / "config.json"), ("vocab_size",))


def first_number(config: Mapping[str, object], names: Sequence[str]) -> int | None:
    """Return the first positive number that a configuration, or that of its text part, has under one of the names."""
    inner = config.get("text_config")
    places = [config, inner] if isinstance(inner, dict) else [config]
    found = (place.get(name) for place in places for name in names)
    return next((number for number in found if isinstance(number, int) and number > 0), None)


def _shards(folder: Path, index: str) -> tuple[Path, ...]:
    named = read_json(folder / index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise ModelError(f"'{folder / index}' must name the files of the weights (`weight_map`). Save the model again.")
    names = sorted({str(name) for name in named.values()})
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"'{folder / index}' names {len(missing)} of {len(names)} files that are not there: {_listed(missing)}. "
            "Copy or download them, or save the whole model again."
        )
    return tuple(folder / name for name in names)


def _without_weights(folder: Path) -> ModelError:
    pickled = next((file.name for pattern in _PICKLED for file in sorted(folder.glob(pattern))), None)
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    if others:
        return ModelError(
            f"'{folder}' has {_listed(others)}, but no {_WHOLE} and no {_INDEX}, which name the weights that are "
            "loaded. Save the model with `save_pretrained`, or rename its file."
        )
    if pickled is not None:
        return ModelError(
            f"'{folder}' must hold *.safetensors weights, but has pickled ones ('{pickled}'), which may run code "
            "and are never read here. Save the model with `save_pretrained`, which writes safetensors."
        )
    return ModelError(
        f"'{folder}' has no *.safetensors weights. Save the model with `save_pretrained`, which writes them."
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
