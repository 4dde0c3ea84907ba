"""Where the real data files are, for tests that read them."""

import gzip
import json
import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def shared_data() -> Path:
    """Return the folder of real files: FARSIGHTED_DATA, else ../shared/data beside the repository."""
    return Path(os.environ.get("FARSIGHTED_DATA") or _ROOT.parent / "shared" / "data")


needs_shared_data = pytest.mark.skipif(
    not (shared_data() / "math").is_dir(),
    reason=f"there are no real data files in {shared_data()}; set FARSIGHTED_DATA",
)


def stored_rows(path):
    """Return the rows of a real file, or skip the test where there is none."""
    file = shared_data() / path
    if not file.is_file():
        pytest.skip(f"there is no '{file}'; set FARSIGHTED_DATA")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
