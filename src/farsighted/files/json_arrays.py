"""One array of objects, read an object at a time, in memory that does not grow with the file."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from farsighted.core.errors import DataError
from farsighted.files.rows import BadRow, Row
from farsighted.files.strict_json import DECODER, is_plain, row_of

_CHUNK: Final = 1 << 18
"""Bytes that are read at a time; twice as many each time that a row still has no end."""
_LONGEST_ROW: Final = 1 << 26
"""Characters: what is longer is no row, but a file in which a brace or a quote stays open."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_MARK: Final = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|[{}\[\],"]', re.DOTALL)
"""A string, or a sign that bears on where a row ends. No string holds a line break, so an open one ends with its line:
a single stray quote costs one row, not the rest of the file."""
_CLOSES: Final = {"}": "{", "]": "["}


def array_rows(stream: IO[bytes], file: Path) -> Iterator[Row | BadRow]:
    """Yield the elements of a JSON array as rows, counted from 1; what is no strict object is a bad row.

    Raises:
        DataError: The array is cut off, a row of it has no end, or something follows it.
    """
    text = _Text(stream)
    text.take()
    number = 0
    if text.next() == "]":
        text.take()
    else:
        yield _element(text, file, 1)
        number = 1
        while text.take() == ",":
            number += 1
            yield _element(text, file, number)
    if text.next():
        raise _damaged(file, number, "something follows the array")


class _Text:
    """What has been read of a stream and not been used; bytes that are no UTF-8 are kept as lone surrogates."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogateescape")
        self.held = ""
        self.place = 0
        """Where what has not been used begins."""

    def more(self, size: int = _CHUNK) -> bool:
        """Read on; tells whether there was anything."""
        chunk = self._stream.read(size)
        self.held = self.held[self.place :] + self._decoder.decode(chunk, final=not chunk)
        self.place = 0
        return bool(chunk)

    def next(self) -> str:
        """Pass over white space and return the sign that follows, or "" at the end."""
        while True:
            self.place = _past_space(self.held, self.place)
            if self.place < len(self.held) or not self.more():
                return self.held[self.place : self.place + 1]

    def take(self) -> str:
        """Return the next sign, and pass over it."""
        sign = self.next()
        self.place += len(sign)
        return sign


def _element(text: _Text, file: Path, number: int) -> Row | BadRow:
    """Return the text up to the next comma or the end of the array, and move there."""
    text.next()
    size = _CHUNK
    while True:
        found = _object(text, file, number) or _anything(text, file, number)
        if found is not None:
            return found
        if len(text.held) - text.place > _LONGEST_ROW:
            raise _damaged(file, number - 1, f"the next row has no end within {_LONGEST_ROW:,} characters")
        if not text.more(size):
            raise _damaged(file, number - 1, "it is cut off, or a quote or brace stays open")
        size *= 2


def _object(text: _Text, file: Path, number: int) -> Row | BadRow | None:
    """Return a whole object with a comma or the array's end after it, as nearly all rows are; None for all else."""
    try:
        fields, end = DECODER.raw_decode(text.held, text.place)
    except (ValueError, RecursionError):
        return None
    after = _past_space(text.held, end)
    if not isinstance(fields, dict) or text.held[after : after + 1] not in {",", "]"}:
        return None
    found = text.held[text.place : end]
    text.place = after
    return Row(fields, file, number) if is_plain(found) else row_of(_as_bytes(found), file, number)


def _anything(text: _Text, file: Path, number: int) -> Row | BadRow | None:
    """Return the text up to the first comma, or the bracket that closes the array, whatever it is; None without either.

    What is read here is a bad row, or will be read again with more of the file.
    """
    opened: list[str] = []
    for mark in _MARK.finditer(text.held, text.place):
        sign = mark[0]
        if sign == '"' and text.held.find("\n", mark.end()) < 0:
            return None
        if not opened and sign in {",", "]"}:
            found = text.held[text.place : mark.start()]
            text.place = mark.start()
            return row_of(_as_bytes(found.strip()), file, number)
        _follow(opened, sign)
    return None


def _follow(opened: list[str], sign: str) -> None:
    """Note a brace that opens, or close it with all that was left open in it."""
    if sign in _CLOSES.values():
        opened.append(sign)
    elif _CLOSES.get(sign) in opened:
        while opened.pop() != _CLOSES[sign]:
            pass


def _past_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return place if space is None else space.end()


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def _damaged(file: Path, number: int, reason: str) -> DataError:
    return DataError(
        f"'{file}' must be one whole JSON array, but is damaged after row {number}: {reason}. Write or copy it again."
    )
