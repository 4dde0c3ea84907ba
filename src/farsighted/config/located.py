"""YAML to plain values that remember where each key was written."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from farsighted.config.messages import KeyPath, key_text, shown
from farsighted.core.errors import ConfigError

COMMAND_LINE: Final = "on the command line"
_MOST_NODES: Final = 100_000
"""Aliases can make a short text expand without end."""


@dataclass(frozen=True)
class Located:
    """A tree of plain values and the places of its keys."""

    value: dict[str, object]
    places: Mapping[KeyPath, str]
    """Key path to "audit.yaml:14" or "on the command line"; () is the whole."""

    def place(self, path: KeyPath) -> str:
        """Return where a key was written, or else the nearest key above it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


class _Loader(yaml.SafeLoader):
    """Plain values only, with 2e-3 read as a number (YAML 1.1 as PyYAML has it reads it as text)."""


# A class attribute shared with SafeLoader must be copied before it is changed.
_Loader.yaml_implicit_resolvers = {key: list(pairs) for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str, name: str) -> Located:
    """Return a YAML mapping with the line of every key.

    Args:
        text: One YAML document; plain values only (no Python tags).
        name: The file's name in messages.

    Raises:
        ConfigError: Syntax error, duplicate key, key that is no text, several documents, endless alias, or a
            document that is no mapping; with the line.
    """
    value, places = _parse(text, name)
    if value is None:
        raise ConfigError(f"{name} must hold a configuration, but is empty. Start from a preset: `suite: {{}}`.")
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name} must be a mapping of keys to values, but is {shown(value)}. Write `title: My audit`."
        )
    return Located(value, {**places, (): name})


def override(located: Located, text: str) -> Located:
    """Return the tree with one "key.sub=value" laid over it; the value is read as YAML.

    `stages.0.max_train=5` and `stages[0].max_train=5` reach into lists.

    Raises:
        ConfigError: No "=", a value that is no YAML, or a way through something that is no mapping or list.
    """
    key, separator, written = text.partition("=")
    path = _key_path(key)
    if not separator or not path:
        raise ConfigError(f"An override must be KEY=VALUE, but is '{text}' ({COMMAND_LINE}). Write training.rounds=2.")
    value, _ = _parse(written, f"'{text}' {COMMAND_LINE}")
    places = {known: place for known, place in located.places.items() if known[: len(path)] != path}
    made = [path[:end] for end in range(1, len(path)) if not _holds(located.value, path[:end])]
    places |= dict.fromkeys([*made, path], COMMAND_LINE)
    laid = _laid(located.value, path, value, ())
    # A mapping with something laid into it is one still.
    assert isinstance(laid, dict)
    return Located(laid, places)


def _key_path(key: str) -> KeyPath:
    parts = [part for part in re.split(r"[.\[\]]+", key.strip()) if part]
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _holds(tree: object, path: KeyPath) -> bool:
    """Tell whether a tree has something at a path."""
    if not path:
        return True
    part = path[0]
    if isinstance(tree, dict):
        return part in tree and _holds(tree[part], path[1:])
    return isinstance(tree, list) and isinstance(part, int) and part < len(tree) and _holds(tree[part], path[1:])


def _laid(tree: object, path: KeyPath, value: object, above: KeyPath) -> object:
    """Return a copy of `tree` with `value` at `path`; mappings on the way are made where they are absent."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return [_laid(entry, rest, value, (*above, part)) if n == part else entry for n, entry in enumerate(tree)]
    if isinstance(tree, dict) or (tree is None and isinstance(part, str)):
        mapping = tree or {}
        return {**mapping, str(part): _laid(mapping.get(str(part)), rest, value, (*above, part))}
    kind = f"a list of {len(tree)}" if isinstance(tree, list) else shown(tree)
    raise ConfigError(
        f"`{key_text((*above, part))}` must lead to a key, but `{key_text(above)}` is {kind} ({COMMAND_LINE}). "
        f"Set `{key_text(above)}` as a whole."
    )


def _parse(text: str, name: str) -> tuple[object, dict[KeyPath, str]]:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        walk = _Walk(loader, name)
        return (walk.value(node, ()) if node else None), walk.places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where} must be valid YAML, but is not: {error.problem}. Mend that line.") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name} must be valid YAML, but is not: {reason}. Mend it.") from None
    except RecursionError:
        raise ConfigError(f"{name} must be a shallow tree, but is nested too deeply. Mend the brackets.") from None


class _Walk:
    """One way through a YAML tree that builds values and notes places."""

    def __init__(self, loader: _Loader, name: str) -> None:
        self._loader = loader
        self._name = name
        self._nodes = 0
        self._open: set[int] = set()
        self._merged: set[int] = set()
        self.places: dict[KeyPath, str] = {}

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """Return the plain value of a node."""
        self._nodes += 1
        if self._nodes > _MOST_NODES or id(node) in self._open:
            raise ConfigError(
                f"{self._at(node)} must stand for itself, but its aliases repeat without end. Write it out."
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise ConfigError(f"{self._at(node)} must be plain values, but has the tag '{node.tag}'. Remove the tag.")
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            built: object = self._mapping(node, path)
        else:
            built = [self._entry(part, part, (*path, number)) for number, part in enumerate(node.value)]
        self._open.remove(id(node))
        return built

    def _scalar(self, node: yaml.ScalarNode) -> object:
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as error:
            raise ConfigError(
                f"{self._at(node)} must be a valid value, but is not: {error}. Put it in quotes."
            ) from None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        if id(node) not in self._merged:
            self._refuse_duplicates(node)
            self._loader.flatten_mapping(node)
            self._merged.add(id(node))
        return {str(key.value): self._entry(key, value, (*path, str(key.value))) for key, value in node.value}

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        lines: dict[Hashable, str] = {}
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise ConfigError(f"A key must be text, but is {shown(key.value)} ({self._at(key)}). Put it in quotes.")
            if key.value in lines:
                raise ConfigError(
                    f"`{key.value}` must be given once, but is given twice ({lines[key.value]} and {self._at(key)}). "
                    "Remove one."
                )
            lines[key.value] = self._at(key)

    def _entry(self, mark: yaml.Node, node: yaml.Node, path: KeyPath) -> object:
        self.places[path] = self._at(mark)
        return self.value(node, path)

    def _at(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"
