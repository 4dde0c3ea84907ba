"""How many threads one task may use: one, because tasks run side by side and sums must come out alike."""

import contextlib
import os
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


def thread_count() -> int:
    """Return the threads of a task: `FARSIGHTED_THREADS`, else 1."""
    return int(os.environ.get("FARSIGHTED_THREADS", "1"))


@contextlib.contextmanager
def limited_threads() -> Iterator[None]:
    """Let a block of this process use as many threads as a worker process has.

    A sum over other threads has other last bits. Libraries that are loaded inside the block read the environment; the
    others are told.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(thread_count())
    try:
        with threadpool_limits(thread_count()):
            yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
