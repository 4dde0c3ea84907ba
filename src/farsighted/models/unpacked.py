"""Models that are not a folder of their own: a GGUF file, or an adapter on its base.

What is small and read without torch (configuration, tokenizer, chat template) is written once to a folder of the
user's cache that looks like any model's, with a file that says where the weights are. So all that reads a model's
folder reads these, and weights are loaded from where they are. A folder's name is a hash of what it was made from.
"""

import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError
from farsighted.models.origin import ORIGIN, Origin, Unpacked
from farsighted.models.weights import ADAPTER_CONFIG, ADAPTER_WEIGHTS, read_json, tensor_shapes
from farsighted.store import atomic
from farsighted.store.layout import MARKER, RESULT_VERSION, user_cache

_LIBRARIES: Final = ("farsighted", "transformers", "tokenizers")
"""Their versions may decide what is unpacked."""
_EMBEDDINGS: Final = ("embed_tokens", "wte", "embed_in", "word_embeddings", "lm_head", "embed_out")
"""Names of embeddings and heads; an adapter holds them whole where tokens were added for it."""
_TOKENIZER: Final = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def unpacked(origin: Origin, files: Sequence[Path], read: Callable[[], Unpacked]) -> Path:
    """Return the folder of a model that was unpacked, now or before.

    Args:
        origin: Where the weights are.
        files: What decides the folder's content: another size or time of change makes another folder.
        read: Makes the content.
    """
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    versions = [importlib.metadata.version(name) for name in _LIBRARIES]
    folder = user_cache() / "models" / fingerprint.of_json([asdict(origin), states, versions, RESULT_VERSION])[:16]
    if not (folder / MARKER).is_file():
        found = read()
        record = asdict(origin) | {"notes": found.notes, "learned_positions": found.learned_positions}
        atomic.keep_folder(folder, {**found.files, ORIGIN: json.dumps(record, indent=1).encode()})
    return folder


def adapter_files(folder: Path, base: Path) -> Unpacked:
    """Return the configuration of an adapter's base, and the tokenizer of the adapter, or else of the base.

    Raises `ModelError` where the adapter has no weights, or pickled ones.
    """
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        pickled = next((file.name for file in sorted(folder.glob("adapter_model.*"))), None)
        found = f"has pickled ones ('{pickled}'), which may run code" if pickled else "has none"
        raise ModelError(
            f"The adapter in '{folder}' must have its weights in {ADAPTER_WEIGHTS}, but {found}. Save it with "
            "`save_pretrained`."
        )
    config = read_json(base / "config.json")
    rows = _rows_of(tensor_shapes(weights))
    if rows is not None:
        config["vocab_size"] = rows
    files = {"config.json": json.dumps(config, indent=1).encode()}
    source = folder if (folder / "tokenizer.json").is_file() else base
    for where, names in ((source, _TOKENIZER), (base, ("generation_config.json",))):
        files |= {name: (where / name).read_bytes() for name in names if (where / name).is_file()}
    kind = str(read_json(folder / ADAPTER_CONFIG).get("peft_type", "adapter"))
    note = (
        f"The model is the {kind} adapter in '{folder}', merged in float32 into its base '{base}'; the tokenizer is "
        f"the {'adapter' if source == folder else 'base'}'s."
    )
    return Unpacked(files, (note,))


def _rows_of(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """Rows of an embedding that the adapter holds whole; None where it holds none."""
    whole = (
        shape[0]
        for name, shape in shapes.items()
        if len(shape) == 2 and ".lora_" not in name and any(part in name.split(".") for part in _EMBEDDINGS)
    )
    return max(whole, default=None)
