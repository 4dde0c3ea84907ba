"""The table of selectors: names to classes, and from a specification to a selector."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from farsighted.core.doors import Door
from farsighted.core.errors import FarsightedError, SelectorError
from farsighted.core.names import did_you_mean
from farsighted.core.source import told
from farsighted.selectors.base import NO_DEMANDS, Selector
from farsighted.selectors.parameters import check_parameters, fields_of, kinds_of, may_be_selector

DOOR: Final = Door("farsighted.selectors", "Selector", SelectorError, lambda thing: isinstance(thing, type))
"""How selectors of others are found."""

SelectorSpec = str | Mapping[str, object] | Selector
"""How a selector is asked for: a name, a mapping of `name` and parameters, or the selector itself."""

C = TypeVar("C")

# A plain table: a notebook cell that is run again must be able to replace its own selector.
_TABLE: Final[dict[str, type[Any]]] = {}


def register(name: str) -> Callable[[type[C]], type[C]]:
    """Return a class decorator that puts a selector into the table under `name`.

    Running the same definition again replaces it; another class of the same name raises `SelectorError`.
    """
    if not name or ":" in name:
        raise SelectorError(f"A selector's name must be a word without ':', but is '{name}'. Choose another one.")

    def decorate(selector_class: type[C]) -> type[C]:
        known = _TABLE.get(name)
        if known is not None and _definition(known) != _definition(selector_class):
            raise SelectorError(
                f"There is a selector '{name}' already ({known.__module__}:{known.__qualname__}). Give yours, "
                f"{selector_class.__module__}:{selector_class.__qualname__}, another name."
            )
        _TABLE[name] = _named(selector_class, name)
        return selector_class

    return decorate


def selector_names() -> tuple[str, ...]:
    """Return the names of all selectors that are registered or installed, sorted."""
    return tuple(sorted({*_TABLE, *DOOR.installed()}))


def selector_class(name: str) -> type[Any]:
    """Return the class of a registered name, an installed entry point, or a `package.module:Name`.

    A registered name goes before an entry point of the same name.

    Raises:
        SelectorError: There is no such name, it cannot be imported, or what it names is no selector.
    """
    return _TABLE[name] if name in _TABLE else _selector(DOOR.find(name, _TABLE), name)


def build_selector(spec: SelectorSpec) -> Selector:
    """Return the selector that a name or a mapping asks for; a selector is returned as it is.

    Args:
        spec: `"loss"`, `"package.module:Name"`, or `{"name": "gradient", "score": "similarity"}`.

    Raises:
        SelectorError: Unknown name or parameter (with the nearest known one), a value of the wrong type or range, a
            module that cannot be imported, or a class that is no selector.

    >>> build_selector({"name": "gradient", "signal": "head"}).needs
    frozenset({'head_grad_norm'})
    """
    if isinstance(spec, str):
        return _built(spec, {})
    if isinstance(spec, Mapping):
        parameters = dict(spec)
        name = parameters.pop("name", None)
        if not isinstance(name, str):
            raise SelectorError(f"A selector's mapping must hold `name`, a text, but is {dict(spec)}. Add the name.")
        return _built(name, parameters)
    if isinstance(spec, Selector) and not isinstance(spec, type):
        return spec
    raise SelectorError(
        f"A selector must be a name, a mapping with `name`, or an instance of a selector, but is {spec!r}."
    )


def _built(name: str, parameters: Mapping[str, object]) -> Selector:
    return build_of_class(_selector(selector_class(name), name), name, parameters)


def build_of_class(found: type[Any], name: str, parameters: Mapping[str, object]) -> Selector:
    """Return the selector of a class; raises as `build_selector`, whose messages call it by `name`."""
    kinds = kinds_of(found)
    parameters = _with_preset(found, name, parameters)
    values = {
        # `build_selector` refuses anything that is no selector.
        key: build_selector(cast(SelectorSpec, value)) if may_be_selector(kinds.get(key)) else value
        for key, value in parameters.items()
    }
    checked = check_parameters(found, values)
    try:
        made = found(**checked)
        selector = made if isinstance(made, Selector) else None
        if selector is not None:
            # A property may raise; newer Pythons do not run it to find out whether it is there.
            _ = (selector.needs, selector.family, selector.version, selector.demands)
    except FarsightedError:
        raise
    except Exception as error:  # A class may raise anything while it is built.
        raise SelectorError(
            f"Selector '{name}' cannot be built: {told(error)}. Correct its parameters or its class."
        ) from error
    if selector is None:
        raise SelectorError(f"Selector '{name}' must have `needs`, `family` and `version`. Inherit from `Scored`.")
    return selector


def _with_preset(found: type[Any], name: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Return the parameters with those of `preset` filled in; what is given beside it goes before it."""
    if "preset" not in parameters or "preset" in fields_of(found):
        return parameters
    presets, asked = getattr(found, "presets", {}), parameters["preset"]
    if asked not in presets:
        advice = did_you_mean(str(asked), presets) if presets else "It has none."
        raise SelectorError(f"There is no preset '{asked}' of selector '{name}'. {advice}")
    return {**presets[asked], **{key: value for key, value in parameters.items() if key != "preset"}}


def _definition(cls: type[Any]) -> tuple[str, str]:
    """Return where a class is written: its file (its module where there is none) and its name in it."""
    # A script's classes are `__main__`'s to itself and its module's to whoever imports it.
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or cls.__module__, cls.__qualname__


def _named(cls: type[C], name: str) -> type[C]:
    selector: Any = cls
    selector.name = name
    for attribute, default in (("family", "own"), ("version", 1), ("demands", NO_DEMANDS)):
        if not hasattr(selector, attribute):
            setattr(selector, attribute, default)
    return cls


def _selector(found: object, name: str) -> type[Any]:
    """Return the class if it is fit to be a selector, named by `name` unless it was registered."""
    assert isinstance(found, type)  # The door lets nothing else through.
    lacking = [method for method in ("needs", "init", "rank", "observe") if not hasattr(found, method)]
    if lacking:
        raise SelectorError(
            f"'{name}' must be a selector, but has no {', '.join(lacking)}. Inherit from `farsighted.selectors.Scored`."
        )
    settings = getattr(found, "__dataclass_params__", None)
    if not dataclasses.is_dataclass(found) or settings is None or not settings.frozen:
        raise SelectorError(
            f"Selector '{name}' must be a frozen dataclass. Write @dataclass(frozen=True) over its class."
        )
    # A name of its own that is not in the table would lead nobody back to the class.
    is_registered = _TABLE.get(vars(found).get("name", "")) is found
    return found if is_registered else _named(found, name)
