"""What a selector is, in words for people and in hashes for caches."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

from farsighted.core.source import sources_of
from farsighted.selectors.base import Selector
from farsighted.selectors.parameters import default_of, fields_of, in_words, kinds_of, parameters_of, parts_of
from farsighted.selectors.table import SelectorSpec, build_selector, selector_class


class Parameter(NamedTuple):
    """One field of a selector."""

    name: str
    kind: str
    """Its type in words."""
    default: str
    """Its default as it is written in a configuration; "required" where there is none."""
    text: str
    """The text under the field in the source; empty without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Description:
    """A selector for the reader of a help page."""

    name: str
    family: str
    version: int
    summary: str
    """The first sentence of its docstring, on one line."""
    text: str
    """The rest of its docstring."""
    needs: tuple[str, ...] | None
    """Signals that it reads with its default parameters, sorted; None where a parameter has no default."""
    parameters: tuple[Parameter, ...]
    presets: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict)
    """Several parameters under one name, which `preset` asks for."""

    def __str__(self) -> str:
        lines = [f"{self.name} (family {self.family}, version {self.version}): {self.summary}"]
        lines += [self.text] if self.text else []
        if self.needs is not None:
            lines.append(f"Reads: {', '.join(self.needs) or 'no signals'}.")
        lines += [
            f"  preset = {name}: {', '.join(f'{key} = {_written(value)}' for key, value in settings.items())}."
            for name, settings in self.presets.items()
        ]
        lines += [f"  {one.name} = {one.default}: {one.kind}. {one.text}".rstrip() for one in self.parameters]
        return "\n".join(lines)


def describe(spec: SelectorSpec) -> Description:
    """Return what a selector does, what it reads and which parameters it takes; `str()` of it is a help text.

    Args:
        spec: A name (shows the defaults), a mapping, or a selector.

    Raises:
        SelectorError: There is no such selector.
    """
    cls: type[Any] = selector_class(spec) if isinstance(spec, str) else type(build_selector(spec))
    defaults = {name: default_of(field) for name, field in fields_of(cls).items()}
    built = None if isinstance(spec, str) and dataclasses.MISSING in defaults.values() else build_selector(spec)
    texts, kinds = _texts_under_fields(cls), kinds_of(cls)
    parameters = [
        Parameter(name, in_words(kinds[name]), _written(default), texts.get(name, ""))
        for name, default in defaults.items()
    ]
    needs = None if built is None else tuple(sorted(built.needs))
    presets = getattr(cls, "presets", {})
    return Description(cls.name, cls.family, cls.version, *_docstring(cls), needs, tuple(parameters), presets)


def fingerprint_of(selector: Selector) -> dict[str, object]:
    """Return the JSON value that decides what a selector does: name, version, parameters.

    A class from outside this package adds `source`, the SHA-256 of its module, of its bases' and of the local modules
    that these import (`core.source.sources_of`); a selector inside the selector adds its own fingerprint under
    `inside`.
    """
    value: dict[str, object] = {
        "name": selector.name,
        "version": selector.version,
        "parameters": parameters_of(selector),
    }
    source = sources_of(type(selector)).digest
    if source is not None:
        value["source"] = source
    inside = {name: fingerprint_of(part) for name, part in parts_of(selector).items()}
    return value | {"inside": inside} if inside else value


def unfollowed(selector: Selector) -> tuple[str, ...]:
    """Return a sentence for each import that the fingerprint cannot follow, in the selector and in those inside it."""
    inside = [note for part in parts_of(selector).values() for note in unfollowed(part)]
    return tuple(dict.fromkeys([*sources_of(type(selector)).notes, *inside]))


def _docstring(cls: type[Any]) -> tuple[str, str]:
    """Return the first paragraph on one line, and the rest as it is written."""
    text = inspect.cleandoc(cls.__doc__ or "")
    if text.startswith(f"{cls.__name__}("):  # The signature that dataclass writes where there is no docstring.
        text = ""
    first, _, rest = text.partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _texts_under_fields(cls: type[Any]) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    texts = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value.value if isinstance(below.value, ast.Constant) else ""
            texts[field.target.id] = " ".join(str(text).split())
    return texts


def _written(default: object) -> str:
    if default is dataclasses.MISSING:
        return "required"
    if isinstance(default, Selector):
        return default.name
    return "null" if default is None else str(default)
