"""Fields of a row: what a value is, and what is said of one that cannot be used."""

import json
from collections.abc import Mapping

Fields = Mapping[str, object]


class UnfitError(Exception):
    """A row of the wrong shape; the message is to be read after "file:line"."""


class UnknownShapeError(UnfitError):
    """A row without the fields of any shape."""


class SetAsideError(UnfitError):
    """A row that says of itself that it is not to be trained on; the message names the mark: "label false"."""


def kind_of(value: object) -> str:
    """Return the name of a value's type as JSON has it."""
    return {dict: "object", list: "list", bool: "boolean", type(None): "null"}.get(type(value), type(value).__name__)


def text_of(fields: Fields, name: str) -> str:
    """Return a field that must be text."""
    found = fields.get(name)
    if not isinstance(found, str):
        raise UnfitError(f"has a `{name}` of type {kind_of(found)}; it must be text")
    return found


def json_in(text: str) -> list[object] | dict[str, object] | None:
    """Return the list or object that a text spells in JSON, None where it spells none.

    >>> json_in('[{"role": "user"}]'), json_in("[sic]"), json_in("3")
    ([{'role': 'user'}], None, None)
    """
    if text.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (list, dict)) else None


def without_nulls(value: object) -> object:
    """Return a value without the names that hold null: in a table every object has the names of all.

    >>> without_nulls({"city": "Oslo", "unit": None, "days": [{"n": 1, "of": None}]})
    {'city': 'Oslo', 'days': [{'n': 1}]}
    """
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def as_json(value: object) -> str:
    """Return a value as JSON, letters as they are; what JSON lacks (a time, bytes) as text."""
    return json.dumps(value, ensure_ascii=False, default=str)
