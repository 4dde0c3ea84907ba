"""Every path of an audit's folder, once, and where a user's scores are kept outside of any."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farsighted.core.errors import StorageError

SCHEMA: Final = 1
"""Version of all artifacts but results.json; it changes when a reader of old files would misread new ones."""

RESULTS_SCHEMA: Final = 2
"""The same for results.json, which is made anew from the other artifacts whenever a report is."""

RESULT_VERSION: Final = 8
"""Part of every cell's identity: raised when a change of the program changes results.

*Reference:* definitions.md#result-version.
"""

MARKER: Final = "DONE.json"
"""Written last into a finished folder: names its files and their SHA-256."""

ARTIFACTS: Final = frozenset(
    {"audit.json", "results.json", "bad_rows.jsonl", "cells", "shared", "checkpoints", "judge", "claims", "logs"}
)
"""What a run wrote below the audit's folder, and the numbers: views are made from them, and never write into them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder that one audit writes."""

    root: Path

    @property
    def audit(self) -> Path:
        """The plan: resolved configuration and list of cells."""
        return self.root / "audit.json"

    @property
    def results(self) -> Path:
        """All numbers."""
        return self.root / "results.json"

    @property
    def scorecard(self) -> Path:
        """The page that a person reads first."""
        return self.root / "scorecard.md"

    @property
    def cells(self) -> Path:
        """Folder of cells."""
        return self.root / "cells"

    @property
    def shared(self) -> Path:
        """Folder of work that several cells share."""
        return self.root / "shared"

    @property
    def inputs(self) -> Path:
        """Folder of tokenised pools and sets, each under the hash of what they were read from."""
        return self.shared / "inputs"

    @property
    def signals(self) -> Path:
        """Folder of signals of the model that cells start from, kept within a limit."""
        return self.shared / "signals"

    @property
    def judge(self) -> Path:
        """Folder of a judge's answers, one file each."""
        return self.root / "judge"

    @property
    def logs(self) -> Path:
        """Folder of the worker processes' messages."""
        return self.root / "logs"

    @property
    def claims(self) -> Path:
        """Folder of what says which process works on what."""
        return self.root / "claims"

    @property
    def bad_rows(self) -> Path:
        """Rows that were set aside while reading."""
        return self.root / "bad_rows.jsonl"

    def cell(self, cell_id: str) -> Path:
        """Folder of one finished cell."""
        return self.cells / cell_id

    def checkpoints(self, cell_id: str) -> Path:
        """Folder of the checkpoints of an unfinished cell, each in a folder named by its position."""
        return self.root / "checkpoints" / cell_id

    def finished(self, cell_id: str) -> bool:
        """Whether a cell's folder is complete."""
        return (self.cell(cell_id) / MARKER).is_file()


def user_cache() -> Path:
    """Return the folder for what is kept between commands: FARSIGHTED_CACHE, or farsighted in XDG_CACHE_HOME.

    Where neither is set it is ~/.cache/farsighted; raises `StorageError` for a user without a home.
    """
    named, caches = (os.environ.get(name, "") for name in ("FARSIGHTED_CACHE", "XDG_CACHE_HOME"))
    try:
        if named:
            return Path(named).expanduser()
        return (Path(caches).expanduser() if caches else Path.home() / ".cache") / "farsighted"
    except RuntimeError as error:
        raise StorageError(
            f"Scores must have a folder to be kept in, but {error} Set FARSIGHTED_CACHE to one."
        ) from error
