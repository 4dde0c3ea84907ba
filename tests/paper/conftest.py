"""One small reproduction of everything, for all tests of this folder."""

import os

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """The folder of all parts, run once; tests may run it again, which changes nothing."""
    from oracles.small_reproduction import reproduce_all

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "reproduced.lock"):
        return reproduce_all(shared / "reproduced")
