"""Marks that forbid training, on a row or on a message; what only looks like one is told from it by its type."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from farsighted.files.fields import Fields

FLAGS: Final = ("label", "kto_tag", "train", "training", "loss")
"""true or false, in text too; `train`, `training` and `loss` also 1 or 0. Anything else (a class, a split, a measured
loss) is no mark."""
WEIGHTS: Final = ("weight", "loss_weight")
"""Numbers; 0 forbids and 1 does not. Any other is no mark: what is trained on weighs alike."""
_WHOLE: Final = frozenset({"train", "training", "loss"})
MARKS: Final = (*FLAGS, *WEIGHTS)
_IN_TEXT: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "false": False})
"""How a flag is spelled where files know text alone, in any case."""
_SAID: Final = frozenset({"train", "training"})
"""What no measure is called, so that 0.0 of a table is a flag."""


def forbids(fields: Fields) -> str:
    """Return the mark by which a row or a message is not to be trained on: "label false"; "" where there is none.

    >>> forbids({"label": False}), forbids({"weight": 0}), forbids({"label": "spam", "loss": 2.3, "weight": 0.4})
    ('label false', 'weight 0', '')
    """
    return next((told for name in MARKS if (told := _forbidding(name, fields.get(name)))), "")


def are_read(fields: Fields) -> frozenset[str]:
    """Return the names in a row or a message that are marks by the type of their value."""
    return frozenset(name for name in MARKS if name in fields and _is_mark(name, unspelled(name, fields[name])))


def unspelled(name: str, value: object) -> object:
    """Return the flag or the 0 or 1 that a text spells under the name of a mark; anything else as it is.

    >>> unspelled("label", "FALSE"), unspelled("train", "0"), unspelled("label", "0"), unspelled("weight", "0.0")
    (False, 0, '0', 0)
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if name in FLAGS and text in _IN_TEXT:
        return _IN_TEXT[text]
    whole = {"0": 0, "1": 1} if name in _WHOLE else {}
    parted = {"0": 0, "1": 1, "0.0": 0, "1.0": 1} if name in WEIGHTS or name in _SAID else whole
    return parted.get(text, value)


def _forbidding(name: str, given: object) -> str:
    value = unspelled(name, given)
    if not _is_mark(name, value) or value:
        return ""
    return f"{name} {'false' if isinstance(value, bool) else '0'}"


def _is_mark(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return True
    if name in _WHOLE - _SAID:
        return isinstance(value, int) and value in {0, 1}
    return name in (*WEIGHTS, *_SAID) and isinstance(value, (int, float)) and value in {0, 1}
