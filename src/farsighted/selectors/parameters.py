"""The parameters of a selector: the fields of its class, checked on the way in and written out as JSON."""

import dataclasses
import math
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from farsighted.core.errors import SelectorError
from farsighted.core.names import did_you_mean
from farsighted.selectors.base import Demands, Selector

if TYPE_CHECKING:
    from pydantic import JsonValue

_WORDS: Final[Mapping[object, str]] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    Selector: "a selector (a name, or a mapping with `name`)",
}


def fields_of(selector_class: type) -> dict[str, "dataclasses.Field[object]"]:
    """Return the fields that are parameters, by name, in order."""
    return {field.name: field for field in dataclasses.fields(selector_class) if field.init}


def kinds_of(selector_class: type) -> dict[str, object]:
    """Return the type of every parameter; raises `SelectorError` for an annotation that names nothing."""
    try:
        hints = get_type_hints(selector_class)
    except NameError as error:
        raise SelectorError(
            f"The fields of {selector_class.__qualname__} must be annotated with types that its module knows: {error}."
        ) from error
    return {name: hints[name] for name in fields_of(selector_class)}


def check_parameters(selector_class: type, values: Mapping[str, object]) -> dict[str, object]:
    """Return the values ready for the class: names known, types right, none missing.

    Whole numbers become floats, and lists become tuples, where the field asks for it.

    Raises:
        SelectorError: An unknown parameter (with the nearest known one), a wrong type, or a missing parameter.
    """
    who = f"selector '{getattr(selector_class, 'name', selector_class.__qualname__)}'"
    fields, kinds = fields_of(selector_class), kinds_of(selector_class)
    for name in values:
        if name not in fields:
            advice = did_you_mean(name, fields) if fields else "It takes no parameters."
            raise SelectorError(f"There is no parameter `{name}` of {who}. {advice}")
        if not _fits(values[name], kinds[name]):
            raise SelectorError(f"`{name}` of {who} must be {in_words(kinds[name])}, but is {values[name]!r}.")
    missing = [
        name for name, field in fields.items() if name not in values and default_of(field) is dataclasses.MISSING
    ]
    if missing:
        raise SelectorError(f"The parameter `{missing[0]}` of {who} must be given: {in_words(kinds[missing[0]])}.")
    return {name: _converted(value, kinds[name]) for name, value in values.items()}


def parameters_of(selector: Selector) -> "dict[str, JsonValue]":
    """Return the parameters as JSON values; a selector among them becomes a mapping of its name and its parameters.

    `build_selector({"name": selector.name, **parameters_of(selector)})` gives an equal selector.

    Raises:
        SelectorError: A parameter is not a number, a text, a list, a mapping or a selector.
    """
    return {name: _as_json(getattr(selector, name), f"{selector.name}.{name}") for name in fields_of(type(selector))}


def parts_of(selector: Selector) -> dict[str, Selector]:
    """Return the selectors that a selector holds, by the name of the parameter."""
    if not dataclasses.is_dataclass(selector):
        return {}
    values = {name: getattr(selector, name) for name in fields_of(type(selector))}
    return {name: value for name, value in values.items() if isinstance(value, Selector)}


def demands_of(selector: Selector) -> Demands:
    """Return what a selector and those inside it ask of whoever runs them: the largest share, each wish of any.

    Raises:
        SelectorError: `demands` is not a `Demands`, or its share is out of [0, 1].
    """
    demands = selector.demands
    if not isinstance(demands, Demands) or not 0 <= demands.replay_share <= 1:
        raise SelectorError(
            f"`demands` of selector '{selector.name}' must be a `Demands` with `replay_share` in [0, 1], but is "
            f"{demands!r}. Write Demands(replay_share=0.25) for a quarter."
        )
    for part in parts_of(selector).values():
        demands = demands.joined(demands_of(part))
    return demands


def default_of(field: "dataclasses.Field[object]") -> object:
    """Return a field's default, or `dataclasses.MISSING`."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def may_be_selector(kind: object) -> bool:
    """Return whether a field of this type holds a selector, so that a name in its place is built."""
    return kind is Selector or Selector in get_args(kind)


def in_words(kind: object) -> str:
    """Return a type as it reads in a sentence.

    >>> in_words(Literal["norm", "similarity"])
    "one of 'norm', 'similarity'"
    >>> in_words(float | None)
    'a number or null'
    """
    if may_be_selector(kind):
        return _WORDS[Selector]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(repr(value) for value in get_args(kind))}"
    if _is_union(kind):
        return " or ".join(in_words(part) for part in get_args(kind))
    if get_origin(kind) in (tuple, list, Sequence):
        return "a list"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _is_union(kind: object) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _fits(value: object, kind: object) -> bool:
    if kind is Any:
        return True
    if _is_union(kind):
        return any(_fits(value, part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in get_args(kind))
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float)
    plain: object = get_origin(kind) or kind
    return isinstance(plain, type) and isinstance(value, (tuple, list) if plain is tuple else plain)


def _converted(value: object, kind: object) -> object:
    if _is_union(kind):
        return _converted(value, next(part for part in get_args(kind) if _fits(value, part)))
    if kind is float and isinstance(value, int | float):
        return float(value)
    if (get_origin(kind) or kind) is tuple and isinstance(value, list | tuple):
        return tuple(value)
    return value


def _as_json(value: object, where: str) -> "JsonValue":
    if isinstance(value, np.generic):
        return _as_json(value.item(), where)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _as_json(part, where) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_as_json(part, where) for part in value]
    if isinstance(value, Selector):
        return {"name": value.name, **parameters_of(value)}
    raise SelectorError(
        f"`{where}` must be a finite number, a text, a list, a mapping or a selector, but is {value!r}."
    )
