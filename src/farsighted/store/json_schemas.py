"""JSON Schemas of an audit's files, made from the records; `python -m farsighted.store.json_schemas` writes them anew.

They ship under `assets/schemas`, for programs that read or write these files without this package.
"""

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from farsighted.store import atomic, records, result_records
from farsighted.store.atomic import MARKED
from farsighted.store.record_files import CELL, CHECKPOINT, PLAN, RESULTS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    told = _field_texts()
    found = {}
    for file in (PLAN, CELL, CHECKPOINT, RESULTS, MARKED):
        schema = file.adapter.json_schema()
        _describe(schema, told)
        for part in schema.get("$defs", {}).values():
            _describe(part, told)
        value = {"$schema": DIALECT, **schema}
        found[f"{Path(file.name).stem}.schema.json"] = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return found


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder; raises `StorageError`."""
    for name, text in schemas().items():
        atomic.write_text(folder / name, text)


def _describe(schema: dict[str, object], told: Mapping[str, Mapping[str, str]]) -> None:
    """Put the text under each field of a record beside it; titles only repeat the keys."""
    fields, texts = schema.get("properties"), told.get(str(schema.get("title")), {})
    if not isinstance(fields, dict):
        return
    for name, field in fields.items():
        field.pop("title", None)
        if name in texts:
            field["description"] = texts[name]


def _field_texts() -> dict[str, dict[str, str]]:
    """Return the type of each key of each record, keys of its bases included.

    Pydantic can do this, but does it at every start, and not for inherited keys.
    """
    found: dict[str, dict[str, str]] = {}
    for module in (records, result_records):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                bases = [found.get(base.id, {}) for base in node.bases if isinstance(base, ast.Name)]
                found[node.name] = {key: text for base in bases for key, text in base.items()} | dict(_texts(node))
    return found


def _texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, under in zip(node.body, node.body[1:], strict=False):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(text))):
                yield key, text


if __name__ == "__main__":
    write_schemas(Path(str(resources.files("farsighted"))) / "assets" / "schemas")
