"""Kinds of fields that the tree is made of, each with its check and its JSON form."""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from farsighted.config.messages import expectation

T = TypeVar("T", bound=Hashable)

Style = Literal["native", "harness"]

LIST: Final = Field(strict=False, min_length=1)
"""A list in YAML is a tuple in the tree, and holds something."""

_SEPARATORS: Final = "/\\>"
"""Characters with a meaning in paths and in the labels of stage orders."""


def listed(value: object) -> object:
    """Let a lone entry stand for a list of one: `budgets: 25%`."""
    return value if isinstance(value, (list, tuple)) or value is None else [value]


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Return a list as it is, or refuse a repeated entry."""
    texts = [str(value) for value in values]
    repeated = [text for text in texts if texts.count(text) > 1]
    if repeated:
        raise expectation("a list without repetition", repeated[0], "Remove the second one.")
    return values


def _named(name: str) -> str:
    if not name.strip() or name != name.strip() or not name.isprintable() or set(name) & set(_SEPARATORS):
        raise expectation("a name without line breaks, outer spaces, '/', '\\' and '>'", name, "Rename it.")
    return name


def _paths(value: object) -> tuple[str, ...]:
    paths = listed(value)
    if isinstance(paths, (list, tuple)) and paths and all(isinstance(path, str) and path.strip() for path in paths):
        return tuple(paths)
    raise expectation("a path, a glob, a folder, or a list of them", value, "Write math/*.train.jsonl.gz.")


def _paths_or_none(value: object) -> tuple[str, ...]:
    return () if value is None or value in ((), []) else _paths(value)


def _validation(value: object) -> int | tuple[str, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        if value >= 1:
            return value
        raise expectation("at least 1 where it is a number of examples to hold out", value, "Write 100.")
    return _paths(value)


def _targets(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise expectation("all-linear, or a list of module names", value, "Write all-linear or [q_proj, v_proj].")


def _folder(value: object) -> Path | None:
    if value is None or isinstance(value, Path):
        return value
    if isinstance(value, str) and value.strip():
        return Path(value).expanduser()
    raise expectation("the path of a folder", value, "Leave it out to start from the folder of the configuration.")


def _as_json(value: str | int | tuple[str, ...]) -> str | int | list[str]:
    return list(value) if isinstance(value, tuple) else value


Name = Annotated[str, AfterValidator(_named)]
Paths = Annotated[tuple[str, ...], PlainValidator(_paths), PlainSerializer(list, return_type=list[str])]
PathsOrNone = Annotated[tuple[str, ...], PlainValidator(_paths_or_none), PlainSerializer(list, return_type=list[str])]
Validation = Annotated[
    int | tuple[str, ...], PlainValidator(_validation), PlainSerializer(_as_json, return_type=object)
]
Targets = Annotated[str | tuple[str, ...], PlainValidator(_targets), PlainSerializer(_as_json, return_type=object)]
Folder = Annotated[
    Path | None, PlainValidator(_folder), PlainSerializer(str, return_type=str, when_used="json-unless-none")
]


class Section(BaseModel):
    """A part of the tree: frozen, without unknown keys, without conversions, without infinities."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )
