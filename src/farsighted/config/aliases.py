"""Keys as TRL, LLaMA-Factory and Axolotl write them, at the top of a configuration, for the keys of this project."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from farsighted.config.located import Located
from farsighted.config.messages import KeyPath, shown
from farsighted.core.errors import ConfigError

ALIASES: Final[Mapping[str, KeyPath]] = MappingProxyType(
    {
        "model_name_or_path": ("model", "path"),
        "base_model": ("model", "path"),
        "torch_dtype": ("model", "dtype"),
        "dtype": ("model", "dtype"),
        "max_length": ("model", "context"),
        "max_seq_length": ("model", "context"),
        "cutoff_len": ("model", "context"),
        "sequence_len": ("model", "context"),
        "lora_r": ("lora", "r"),
        "lora_rank": ("lora", "r"),
        "lora_alpha": ("lora", "alpha"),
        "lora_dropout": ("lora", "dropout"),
        "lora_target_modules": ("lora", "targets"),
        "lora_target": ("lora", "targets"),
        "per_device_train_batch_size": ("training", "batch_size"),
        "micro_batch_size": ("training", "batch_size"),
        "learning_rate": ("training", "learning_rate"),
        "lr_scheduler_type": ("training", "schedule"),
        "lr_scheduler": ("training", "schedule"),
        "warmup_ratio": ("training", "warmup_share"),
        "weight_decay": ("training", "weight_decay"),
        "max_grad_norm": ("training", "grad_clip"),
        "gradient_checkpointing": ("training", "gradient_checkpointing"),
        "seed": ("seeds",),
    }
)
"""Their key to ours."""


def with_our_names(located: Located) -> Located:
    """Return the tree with other trainers' top-level keys under ours, each where it was written.

    Raises:
        ConfigError: A key that is given twice under two names.
    """
    value: dict[str, object] = dict(located.value)
    places = dict(located.places)
    for key in [key for key in value if key in ALIASES]:
        place = located.place((key,))
        path, given = ALIASES[key], value.pop(key)
        part = str(path[0])
        inner = value.get(part, {}) if len(path) > 1 else {}
        if not isinstance(inner, dict) or (part in value and (len(path) == 1 or path[1] in inner)):
            name = ".".join(map(str, path))
            raise ConfigError(f"`{name}` must be given once, but `{key}: {shown(given)}` gives it again ({place}).")
        value[part] = {**inner, path[1]: given} if len(path) > 1 else given
        places[path] = place
        places.setdefault(path[:1], place)
    return Located(value, places)
