"""Strict reading of data files: a row comes out whole, with its origin, or as a bad row with its reason."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from farsighted.core.errors import DataError
from farsighted.files.delimited import delimited_rows
from farsighted.files.hub import HUB, hub_files
from farsighted.files.json_files import json_rows
from farsighted.files.rows import BadRow, Row
from farsighted.files.tables import table_rows
from farsighted.store.atomic import write_text

SUFFIXES: Final = (".jsonl.gz", ".json.gz", ".jsonl", ".json", ".parquet", ".csv.gz", ".csv", ".tsv", ".arrow")
_NOT_ROWS: Final = frozenset({"dataset_info.json", "state.json", "dataset_dict.json"})
"""Files beside the rows in a folder that `datasets` saved."""
GLOB_CHARACTERS: Final = frozenset("*?[")


def find_files(paths: str | Sequence[str], root: Path) -> tuple[Path, ...]:
    """Return the data files that paths, globs and folders stand for, in a fixed order.

    Paths keep the order given; what a glob or a folder holds (hidden files aside) is sorted by its path.

    Args:
        paths: One or several paths, globs or folders, absolute or relative to `root`; or hub:NAME (see `files.hub`).
        root: Folder that relative paths start from.

    Raises:
        DataError: Nothing found for one of them, a file of an unknown kind, or the same file twice.
    """
    files: list[Path] = []
    for path in [paths] if isinstance(paths, str) else paths:
        found = list(hub_files(path)) if path.startswith(HUB) else _files_of(path, root)
        if not found:
            raise DataError(
                f"'{path}' must lead to data files ({', '.join(SUFFIXES)}), but there are none in '{root}'. "
                "Mend the path, or set `data_root`."
            )
        files.extend(found)
    for file in files:
        if not file.name.endswith(SUFFIXES):
            raise DataError(f"'{file}' must end in {', '.join(SUFFIXES)}. Convert it to one JSON object a line.")
        if files.count(file) > 1:
            raise DataError(f"'{file}' must be named once, but is named twice by {paths!r}. Remove one.")
    return tuple(files)


def read_rows(files: Sequence[Path]) -> Iterator[Row | BadRow]:
    """Yield the rows of files one by one, in file order; a row that cannot be read comes as a `BadRow`.

    Bad rows: no JSON or cut off, no object, duplicate field, NaN or infinity, NUL bytes, invalid UTF-8, half a
    surrogate pair; in CSV, an open quote or another number of columns than the header's. A byte order mark and blank
    lines are passed over.

    Raises:
        DataError: The file as a whole is damaged (truncated gzip, array or Parquet) or unreadable; how many rows are
            lost is unknown, so this is never skipped.
    """
    for file in files:
        if file.suffix in {".parquet", ".arrow"}:
            yield from table_rows(file)
        elif file.name.endswith((".csv", ".csv.gz", ".tsv")):
            yield from delimited_rows(file)
        else:
            yield from json_rows(file)


def refuse_bad_rows(bad_rows: Sequence[BadRow], rows: int, max_bad_share: float) -> None:
    """Raise where the share of bad rows among all rows read is above what is tolerated.

    Raises:
        DataError: With the share and the first three bad rows.
    """
    if not bad_rows or len(bad_rows) <= max_bad_share * rows:
        return
    first = "\n".join(f"  {row}" for row in bad_rows[:3])
    raise DataError(
        f"At most {100 * max_bad_share:g}% of the rows may be bad, but {len(bad_rows)} of {rows} are. Mend them, or "
        f"raise `data.max_bad_share` (in `select`: --max-bad-share). The first:\n{first}"
    )


def write_quarantine(path: Path, bad_rows: Sequence[BadRow]) -> None:
    """Write bad rows as JSON lines (`file`, `line`, `reason`, `excerpt`), replacing the file."""
    write_text(path, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in bad_rows))


def _files_of(path: str, root: Path) -> list[Path]:
    whole = root / Path(path).expanduser()
    try:
        if whole.is_file():
            return [whole]
        if whole.is_dir():
            return _inside(whole, "**/*")
        if not GLOB_CHARACTERS & set(path):
            return []
        fixed = next(parent for parent in whole.parents if not GLOB_CHARACTERS & set(str(parent)))
        return _inside(fixed, str(whole.relative_to(fixed)))
    except (OSError, ValueError, StopIteration) as error:
        raise DataError(f"'{path}' must be a path, a glob or a folder, but is not: {error}. Mend it.") from None


def _inside(folder: Path, pattern: str) -> list[Path]:
    found = [file for file in folder.glob(pattern) if file.is_file() and file.name.endswith(SUFFIXES)]
    found = [file for file in found if file.name not in _NOT_ROWS]
    shown = [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    return sorted(shown, key=lambda file: file.as_posix())
