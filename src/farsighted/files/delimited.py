"""Strict reading of CSV and TSV files, a record at a time."""

import csv
import gzip
import math
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from farsighted.core.errors import DataError
from farsighted.files.causes import other_encoding, other_separator
from farsighted.files.marks import FLAGS, WEIGHTS, unspelled
from farsighted.files.rows import BadRow, Row, excerpt

_LONGEST_ROW: Final = 1 << 24
"""Characters: what is longer is no record, but a quote that stays open."""
_EXCERPT: Final = 200
_HEAD: Final = 1 << 16
"""Characters that are looked at for the encoding of a file whose header is wrong already."""
_NUMBERS: Final[dict[str, Callable[[str], float]]] = {
    **dict.fromkeys(("difficulty", "quality", *WEIGHTS), float),
    "answer_index": int,
}
"""CSV knows text alone: these fields become numbers where they look like one."""
_NO_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What stands for bytes that are no UTF-8."""


def delimited_rows(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a file under its header; a row's line is the one on which it begins.

    A bad row costs no other: after a quote that stays open, reading goes on in the next line. Blank lines are passed
    over, and empty cells are None.

    Raises:
        DataError: The file has no header or one that names a column twice, or is damaged or unreadable.
    """
    lines: _Lines | None = None
    try:
        with _opened(file) as stream:
            lines = _Lines(stream, _separator(file))
            names = _header(lines, file)
            while (cells := lines.record()) is not None:
                if cells:
                    yield _row(names, cells, lines, file)
    except (EOFError, zlib.error, OSError, ValueError) as error:
        raise DataError(
            f"'{file}' must be a whole CSV file, but is damaged or unreadable after line {lines.last if lines else 0}: "
            f"{excerpt(' '.join(str(error).split()))}. Write or copy it again."
        ) from None


def _opened(file: Path) -> IO[str]:
    # The csv module wants line ends as they are: they may stand in quotes.
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


@dataclass(frozen=True, slots=True)
class _Broken:
    """A record that cannot be parted into cells."""

    reason: str
    """To be read after "file:line"."""


class _Lines:
    """The lines of a file, parted into records; those of a broken record are read again but for the first."""

    def __init__(self, stream: IO[str], delimiter: str) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        """Lines of the record at hand."""
        self._length = 0
        self.first = 1
        """Line on which the record at hand begins."""

    @property
    def last(self) -> int:
        """Line on which the record at hand ends."""
        return self.first + len(self._taken) - 1

    @property
    def text(self) -> str:
        """The beginning of the record at hand."""
        return "".join(line[:_EXCERPT] for line in self._taken[:_EXCERPT])[:_EXCERPT].rstrip("\r\n")

    def record(self) -> Sequence[str] | _Broken | None:
        """Return the cells of the next record, [] for a blank line, None at the end, or what is wrong with it."""
        self.first += len(self._taken)
        self._taken, self._length = [], 0
        limit = csv.field_size_limit(_LONGEST_ROW)
        try:
            return next(csv.reader(self, delimiter=self._delimiter, strict=True), None)
        except csv.Error as error:
            self._again.extendleft(reversed(self._taken[1:]))
            del self._taken[1:]
            return _Broken(f"has a quote that stays open, or is inside a cell ({error})")
        finally:
            csv.field_size_limit(limit)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(_LONGEST_ROW)
        if not line:
            raise StopIteration
        if len(line) == _LONGEST_ROW:
            raise ValueError(f"a line has more than {_LONGEST_ROW:,} characters")
        self._taken.append(line)
        self._length += len(line)
        if self._length > _LONGEST_ROW:
            raise csv.Error(f"no end within {_LONGEST_ROW:,} characters")
        return line


def _header(lines: _Lines, file: Path) -> Sequence[str]:
    names = lines.record()
    while names == []:
        names = lines.record()
    problem = _wrong_header(names, file)
    if not problem and names is not None and not isinstance(names, _Broken):
        return names
    raise DataError(f"'{file}' must begin with a header of distinct column names, but {problem}. Mend its first line.")


def _wrong_header(names: Sequence[str] | _Broken | None, file: Path) -> str:
    if names is None:
        return "is empty"
    if isinstance(names, _Broken):
        return f"its header {names.reason}"
    whole = "".join(names)
    if _NO_UTF8.search(whole) or "\0" in whole:
        return f"its header is no text in UTF-8{other_encoding(_bytes_of(whole))}"
    if sign := other_separator(names, separator := _separator(file)):
        # All rows would be bad for the same reason.
        raise DataError(
            f"'{file}' must have {separator!r} between its columns, but its header has {sign!r}{_also_encoding(file)}. "
            "Write it with commas, or with tabs under a name that ends in .tsv."
        )
    if len(set(names)) < len(names):
        return f"it names the column '{next(name for name in names if names.count(name) > 1)}' twice"
    return ""


def _also_encoding(file: Path) -> str:
    """Return what else is wrong with a file whose header shows a wrong separator."""
    with _opened(file) as stream:
        head = stream.read(_HEAD)
    return f", and it is no UTF-8{other_encoding(_bytes_of(head))}" if _NO_UTF8.search(head) else ""


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _separator(file: Path) -> str:
    return "\t" if file.suffix == ".tsv" else ","


def _row(names: Sequence[str], cells: Sequence[str] | _Broken, lines: _Lines, file: Path) -> Row | BadRow:
    fields: dict[str, object] = {}
    reason = cells.reason if isinstance(cells, _Broken) else _problem(names, cells, lines)
    if not isinstance(cells, _Broken) and not reason:
        fields = {name: _value(name, text) for name, text in zip(names, cells, strict=True)}
    return BadRow(str(file), lines.first, reason, excerpt(lines.text)) if reason else Row(fields, file, lines.first)


def _problem(names: Sequence[str], cells: Sequence[str], lines: _Lines) -> str:
    if len(cells) != len(names):
        span = f" (lines {lines.first} to {lines.last})" if lines.last > lines.first else ""
        return f"has {len(cells)} columns, but the header has {len(names)}{span}"
    text = "".join(cells)
    if "\0" in text:
        return "holds NUL bytes"
    found = None if text.isascii() else _NO_UTF8.search(text)
    byte = f"(byte 0x{ord(found[0]) - 0xDC00:02x})" if found else ""
    return f"is no valid UTF-8 {byte}{other_encoding(_bytes_of(text))}" if byte else ""


def _value(name: str, text: str) -> object:
    if text == "":
        return None
    if name in FLAGS:
        return unspelled(name, text)
    try:
        number = _NUMBERS[name](text) if name in _NUMBERS else text
    except ValueError:
        return text
    return text if isinstance(number, float) and not math.isfinite(number) else number
