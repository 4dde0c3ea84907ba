"""Where the real data files are, for tests that read them."""

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
