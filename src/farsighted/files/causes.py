"""Why a file cannot be read, where the rows only show that it cannot."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

_SEPARATORS: Final = (";", "\t", "|")
_FIELDS: Final = frozenset(
    {
        *("id", "prompt", "response", "completion", "instruction", "input", "output", "question", "answer", "query"),
        *("messages", "conversations", "text", "chosen", "rejected", "system", "context", "category", "source"),
    }
)
"""Names that a header of data like ours has some of."""
WRITE_UTF8: Final = "save the file again as UTF-8"


def other_encoding(content: bytes) -> str:
    r"""Return what bytes that are no UTF-8 may be, to be put after the reason.

    >>> other_encoding("Spree heißt der Fluß".encode("cp1252"))
    '; the file may be in Windows-1252 (cp1252) or another encoding of one byte a letter: save the file again as UTF-8'
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"; the file is in UTF-16: {WRITE_UTF8}"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return f"; {WRITE_UTF8}"
    return f"; the file may be in Windows-1252 (cp1252) or another encoding of one byte a letter: {WRITE_UTF8}"


def other_separator(names: Sequence[str], separator: str) -> str:
    """Return the sign that parts a header which this separator does not, "" where there is none.

    >>> other_separator(["prompt;response"], ","), other_separator(["text"], ",")
    (';', '')
    """
    if len(names) != 1:
        return ""
    return next((sign for sign in (*_SEPARATORS, ",") if sign != separator and sign in names[0]), "")


def no_header(file: Path, names: Collection[str]) -> str:
    """Return what is wrong with the columns of a CSV file whose first line seems to be a row, "" elsewhere."""
    if not file.name.endswith((".csv", ".csv.gz", ".tsv")) or _FIELDS & {name.strip().lower() for name in names}:
        return ""
    first = ", ".join(names)[:80]
    return (
        f"has columns of no known name, because the first line of the file ({first}) seems to be a row itself; put a "
        "header above it (prompt,response), or name the columns under `data.columns`"
    )
