"""Between a record and the text of its file: what is written fits its type, and what does not fit is not read.

A file of another schema, one that is no JSON, and one with a key that is missing or holds something else are refused
with one sentence each. Keys that the type does not name are kept and looked at by nobody.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, NoReturn, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from farsighted.core.errors import StorageError
from farsighted.store.layout import SCHEMA

Record = TypeVar("Record")


@dataclass(frozen=True)
class RecordFile(Generic[Record]):
    """One kind of JSON file."""

    name: str
    """Of the file, and of its JSON Schema."""
    shape: type[Record]
    mend: str
    """What to do where a file does not fit: the end of a sentence."""
    indent: int | None = 1
    schema: int = SCHEMA
    """Version that is read and written."""

    @cached_property
    def adapter(self) -> TypeAdapter[Record]:
        """What checks a record of this kind; made when first asked for, since it takes milliseconds."""
        return TypeAdapter(self.shape)


def text_of(file: RecordFile[Record], record: Record) -> str:
    """Return the text of a file; raises `ValueError` for NaN and for a record that does not fit its type."""
    text = json.dumps(record, indent=file.indent, ensure_ascii=False, allow_nan=False) + "\n"
    file.adapter.validate_json(text)
    return text


def record_of(file: RecordFile[Record], data: bytes | str, path: Path) -> Record:
    """Return the record that a text holds; `path` says where it comes from.

    Raises:
        StorageError: It is no JSON object, of another schema, or does not fit.
    """
    value = _object_of(file, data, path)
    try:
        file.adapter.validate_python(value)
    except ValidationError as error:
        raise StorageError(f"'{path}' {_misfit(error)}: {file.mend}") from error
    # Pydantic's copy has the keys in the order of the type, and reports keep the order of the file.
    return cast("Record", value)


def read_record(file: RecordFile[Record], path: Path) -> Record:
    """Return the record in a file; raises `StorageError` where it cannot be read and as `record_of` does."""
    return record_of(file, _bytes_of(file, path), path)


def refuse_other_schema(file: RecordFile[Record], path: Path) -> None:
    """Raise `StorageError` where a file holds no JSON object of this version's schema; its other keys are not read."""
    _object_of(file, _bytes_of(file, path), path)


def _bytes_of(file: RecordFile[Record], path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"'{path}' cannot be read ({error.strerror or error}): {file.mend}") from error


def _object_of(file: RecordFile[Record], data: bytes | str, path: Path) -> dict[str, object]:
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except ValueError as error:
        raise StorageError(f"'{path}' cannot be read ({error}): {file.mend}") from error
    if not isinstance(value, dict):
        raise StorageError(f"'{path}' must hold a JSON object, but holds {_shown(value)}: {file.mend}")
    _refuse_other_schemas(file, value, path)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON has")


def _refuse_other_schemas(file: RecordFile[Record], value: Mapping[str, object], path: Path) -> None:
    """Refuse a file whose keys may mean something else; one without a schema is refused with its other keys."""
    found = value.get("schema")
    if not isinstance(found, int) or found == file.schema:
        return
    writer = value.get("farsighted")
    named = f"farsighted {writer}" if isinstance(writer, str) else "the version that wrote it"
    if found > file.schema:
        raise StorageError(
            f"'{path}' must have `schema` {file.schema}, but has {found}, of a newer version: update farsighted, or "
            f"read it with {named}."
        )
    raise StorageError(
        f"'{path}' must have `schema` {file.schema}, but has {found}, of an older version: read it with {named}, or "
        f"{file.mend}"
    )


def _misfit(error: ValidationError) -> str:
    """Say what the first key that does not fit must be and is."""
    first = error.errors(include_url=False, include_context=True)[0]
    key = _key(first["loc"])
    if first["type"] == "missing":
        return f"must have the key `{key}`, but has not"
    must = _MUST.get(first["type"]) or first["msg"].removeprefix("Input should be ")
    return f"must hold {must} under `{key}`, but holds {_shown(first['input'])}"


_MUST: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
}


def _key(place: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
