"""Marks that forbid training, on a row or on a message; what only looks like one is told from it by its type."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from farsighted.files.fields import Fields

FLAGS: Final = ("label", "kto_tag", "train", "training", "loss")
"""true or false; `train`, `training` and `loss` also 1 or 0. Anything else (a class, a split, a measured loss) is no
mark."""
WEIGHTS: Final = ("weight", "loss_weight")
"""Numbers; 0 forbids and 1 does not. Any other is no mark: what is trained on weighs alike."""
_WHOLE: Final = frozenset({"train", "training", "loss"})
MARKS: Final = (*FLAGS, *WEIGHTS)
IN_TEXT: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "True": True, "false": False, "False": False})
"""How CSV files, which know text alone, spell a flag."""


def forbids(fields: Fields) -> str:
    """Return the mark by which a row or a message is not to be trained on: "label false"; "" where there is none.

    >>> forbids({"label": False}), forbids({"weight": 0}), forbids({"label": "spam", "loss": 2.3, "weight": 0.4})
    ('label false', 'weight 0', '')
    """
    return next((told for name in MARKS if (told := _forbidding(name, fields.get(name)))), "")


def are_read(fields: Fields) -> frozenset[str]:
    """Return the names in a row or a message that are marks by the type of their value."""
    return frozenset(name for name in MARKS if name in fields and _is_mark(name, fields[name]))


def _forbidding(name: str, value: object) -> str:
    if not _is_mark(name, value) or value:
        return ""
    return f"{name} {'false' if isinstance(value, bool) else '0'}"


def _is_mark(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return True
    if name in _WHOLE:
        return isinstance(value, int) and value in {0, 1}
    return name in WEIGHTS and isinstance(value, (int, float)) and value in {0, 1}
