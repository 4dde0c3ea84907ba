"""Small files in shapes that people have, beside the repository, for tests that read them where they are."""

from pathlib import Path

import pytest

from oracles.shared_data import shared_data

CASES = shared_data().parent / "cases" / "data"


def shared_case(name) -> Path:
    """Return a file of rows, or skip the test where there is none."""
    path = CASES / name
    if not path.is_file():
        pytest.skip(f"there is no '{path}'; the same rows are tested as they stand in this file")
    return path
