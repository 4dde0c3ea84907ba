"""JSON files: one object a line, or one array of objects."""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from farsighted.core.errors import DataError
from farsighted.files.json_arrays import array_rows
from farsighted.files.rows import BadRow, Row
from farsighted.files.strict_json import row_of

_HEAD: Final = 1 << 16
"""Bytes by which a file is told to be an array, an object or lines."""
_OPENED: Final = re.compile(r"\{(.*[,{\[:])?")
"""A first line that breaks off inside an object, as in pretty-printed files."""
_HOLDS_OBJECTS: Final = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*\[\s*\{')
_ARRAY_IN_LINES: Final = "; write a JSON array as one object a line, or let the file's name end in .json"


def json_rows(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a file with one object a line, or, where its name ends in .json, with one array of objects.

    Rows are counted by lines, or by the objects of the array, from 1.

    Raises:
        DataError: The file is damaged or unreadable, or holds one object around its rows.
    """
    row = 0
    array = False
    try:
        with _opened(file) as stream:
            head = (
                stream.read(_HEAD).removeprefix(codecs.BOM_UTF8) if file.name.endswith((".json", ".json.gz")) else b""
            )
            array = head.lstrip().startswith(b"[")
            _refuse_wrapped(head, file)
            stream.seek(0)
            for found in array_rows(stream, file) if array else _lines(stream, file):
                row = found.line
                yield found
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"'{file}' must be a whole gzip file, but is damaged or cut off after {'row' if array else 'line'} {row}: "
            f"{error}. Copy or compress it again."
        ) from None
    except OSError as error:
        raise DataError(f"'{file}' must be readable, but is not: {error.strerror}. Mend its permissions.") from None


def _opened(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def _lines(stream: IO[bytes], file: Path) -> Iterator[Row | BadRow]:
    for number, line in enumerate(stream, start=1):
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if content.strip():
            advice = _ARRAY_IN_LINES if content.lstrip().startswith(b"[") else ""
            yield row_of(content.rstrip(b"\r\n"), file, number, advice)


def _refuse_wrapped(head: bytes, file: Path) -> None:
    """Raise where a file is one object: pretty-printed, or with one field that holds the rows."""
    text = head.decode("utf-8", errors="replace").lstrip()
    first, _, rest = text.partition("\n")
    rows = _rows_field(text)
    if not (_breaks_off(first.strip(), rest.lstrip()) or (rows and not rest.strip() and _stands_alone(text, rows))):
        return
    what = f"one object whose field {rows[1]} holds the rows" if rows else "one object that goes over several lines"
    raise DataError(
        f"'{file}' must hold one object a line, or one array of objects, but holds {what}. Write "
        f"{'the value of that field' if rows else 'an array of such objects'} to a file of its own."
    )


def _breaks_off(first: str, rest: str) -> bool:
    """Tell whether an object goes on after the first line."""
    follows = bool(rest) and not (rest.startswith("{") and first.endswith((",", "{")))
    return follows and _OPENED.fullmatch(first) is not None and not _is_object(first)


def _rows_field(text: str) -> re.Match[str] | None:
    """Return where a field begins that holds objects other than the turns of a conversation."""
    found = _HOLDS_OBJECTS.search(text)
    if found is None:
        return None
    try:
        first: dict[str, object] = json.JSONDecoder().raw_decode(text, found.end() - 1)[0]
    except (ValueError, RecursionError):
        return None
    return None if {"role", "from"} & first.keys() else found


def _stands_alone(text: str, found: re.Match[str]) -> bool:
    """Tell whether an object has no other field, as far as the head of the file shows."""
    if text[: found.start()].strip() != "{":
        return False
    try:
        end = json.JSONDecoder().raw_decode(text, found[0].index("[", len(found[1])) + found.start())[1]
    except (ValueError, RecursionError):
        return True
    return text[end:].strip() == "}"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
