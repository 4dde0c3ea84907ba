"""Strict reading of one JSON object; other bytes are refused with a reason."""

import json
import math
import re
from pathlib import Path
from typing import Final

from farsighted.files.causes import other_encoding
from farsighted.files.rows import BadRow, Row, excerpt

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def row_of(content: bytes, file: Path, number: int, advice: str = "") -> Row | BadRow:
    """Return the row that some bytes of a file are, or the bad row with its reason and an advice after it."""
    try:
        return Row(fields_of(content), file, number)
    except UnreadableError as error:
        text = content.decode("utf-8", errors="replace")
        return BadRow(str(file), number, error.reason + advice, excerpt(text, error.around))


def is_plain(text: str) -> bool:
    """Tell whether a text that `DECODER` has read needs no second look: it holds no surrogate in either writing."""
    return "\\ud" not in text.lower() and (text.isascii() or not _SURROGATE.search(text))


class UnreadableError(Exception):
    """Bytes that are no row; the reason is to be read after "file:line"."""

    def __init__(self, reason: str, around: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.around = around
        """Position of the culprit in them."""


def fields_of(line: bytes) -> dict[str, object]:
    """Return the fields of a JSON object; raises `UnreadableError` for other bytes."""
    text = _decoded(line)
    try:
        fields = DECODER.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        reason = f"is no JSON object, or cut off (character {error.pos + 1}: {what})"
        raise UnreadableError(reason, error.pos) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no strict JSON ({error})") from None
    if not isinstance(fields, dict):
        raise UnreadableError("must be a JSON object in braces")
    if "\\ud" in text.lower() and _has_lone_surrogate(fields):
        raise UnreadableError("holds half a surrogate pair (\\ud800 to \\udfff), which is no text")
    return fields


def _decoded(line: bytes) -> str:
    if b"\0" in line:
        raise UnreadableError("holds NUL bytes; the file was cut off by a crash, or is UTF-16")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"(byte 0x{line[error.start]:02x} at position {error.start + 1})"
        reason = f"is no valid UTF-8 {byte}{other_encoding(line)}"
        raise UnreadableError(reason, error.start) from None


def _has_lone_surrogate(fields: dict[str, object]) -> bool:
    try:
        json.dumps(fields, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is beyond the range of numbers")
    return number


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field '{twice}' is given twice")
    return fields


DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_distinct)
"""Raises `ValueError` for NaN, infinity, numbers beyond the range and a field that is given twice."""
