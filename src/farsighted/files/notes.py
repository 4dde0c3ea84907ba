"""What is said of files once they are read: fields that nothing reads, labels that cannot be read, rows set aside."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from farsighted.files.labels import Unreadable
from farsighted.files.rows import Row

_MOST: Final = 20
"""Names that a note lists."""


@dataclass
class Told:
    """Counts of what is to be said, file by file."""

    _rows: Counter[Path] = field(default_factory=Counter)
    _unread: dict[Path, Counter[str]] = field(default_factory=dict)
    _wrong: dict[tuple[Path, str], tuple[int, Row, Unreadable]] = field(default_factory=dict)
    _aside: Counter[tuple[Path, str]] = field(default_factory=Counter)
    _ended: Counter[tuple[Path, str]] = field(default_factory=Counter)
    _doubts: Counter[tuple[Path, str]] = field(default_factory=Counter)
    _thought: Counter[tuple[Path, str]] = field(default_factory=Counter)
    _compared: Counter[Path] = field(default_factory=Counter)

    def example(self, row: Row, unread: Iterable[str], wrong: Iterable[Unreadable]) -> None:
        """Note what of a row's fields was not read, and what could not be."""
        self._rows[row.file] += 1
        self._unread.setdefault(row.file, Counter()).update(unread)
        for label in wrong:
            count, first, shown = self._wrong.get((row.file, label.name), (0, row, label))
            self._wrong[row.file, label.name] = (count + 1, first, shown)

    def ended(self, row: Row, mark: str) -> None:
        """Note a row whose last answer is not to be trained on, so that the example ends with an earlier one."""
        self._ended[row.file, mark] += 1

    def doubt(self, row: Row, what: str) -> None:
        """Note a row whose answer may be no answer, though it is trained on."""
        self._doubts[row.file, what] += 1

    def thought(self, row: Row, name: str) -> None:
        """Note a row whose reasoning is learned, under the name that the row has for it."""
        self._thought[row.file, name] += 1

    def compared(self, row: Row) -> None:
        """Note a row whose choices are compared with its answer, and not added to its prompt."""
        self._compared[row.file] += 1

    def aside(self, row: Row, mark: str) -> None:
        """Note a row that says of itself that it is not to be trained on."""
        self._aside[row.file, mark] += 1

    def set_aside(self) -> str:
        """Return a clause about the rows that were set aside, "" where none was."""
        marks = Counter[str]()
        for (_, mark), count in self._aside.items():
            marks[mark] += count
        return "; ".join(f"{_rows(count)} set aside: {mark}" for mark, count in marks.items())

    def sentences(self) -> tuple[str, ...]:
        """Return the notes, those that say the same of several files as one."""
        told: dict[str, list[Path]] = {}
        for (file, mark), count in self._aside.items():
            told.setdefault(f"{_rows(count)} set aside: {mark}.", []).append(file)
        for (file, mark), count in self._ended.items():
            ending = "1 conversation ends" if count == 1 else f"{count:,} conversations end"
            told.setdefault(f"{ending} with an earlier answer: {mark} on the last.", []).append(file)
        for (file, what), count in self._doubts.items():
            told.setdefault(f"in {'1 row' if count == 1 else f'{count:,} rows'} {what}.", []).append(file)
        self._of_answers(told)
        for (file, name), (count, first, label) in self._wrong.items():
            told.setdefault(
                f"`{name}` counts as missing in {'1 row' if count == 1 else f'{count:,} rows'}: {label.reason}, but is "
                f"'{label.shown}' in line {first.line}.",
                [],
            ).append(file)
        for file, names in self._unread.items():
            if names:
                told.setdefault(f"fields not read: {_listed(names, self._rows[file])}.", []).append(file)
        return tuple(f"{_files(files)}: {sentence}" for sentence, files in told.items())

    def _of_answers(self, told: dict[str, list[Path]]) -> None:
        for (file, name), count in self._thought.items():
            rows = "1 row is" if count == 1 else f"{count:,} rows is"
            told.setdefault(f"`{name}` of {rows} learned before the answer, as what was thought.", []).append(file)
        for file, count in self._compared.items():
            rows = "1 row" if count == 1 else f"{count:,} rows"
            told.setdefault(
                f"`choices` of {rows} with an `answer_index` are compared with the answer, not added to the prompt.", []
            ).append(file)


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"


def _listed(names: Counter[str], rows: int) -> str:
    shown = [
        name if count == rows else f"{name} (in {count:,} of {rows:,} rows)" for name, count in sorted(names.items())
    ]
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(_clean(name) for name in shown[:_MOST]) + more


def _clean(name: str) -> str:
    return "".join(sign if sign.isprintable() else "·" for sign in name)[:80]


def _files(files: list[Path]) -> str:
    first = f"'{files[0].parent.name}/{files[0].name}'" if files[0].parent.name else f"'{files[0].name}'"
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"
