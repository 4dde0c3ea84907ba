import os

import numpy as np
from threadpoolctl import threadpool_info

from farsighted.launch.threads import limited_threads, thread_count


def counts():
    np.ones((8, 8)) @ np.ones((8, 8))
    return {pool["num_threads"] for pool in threadpool_info()}


def test_a_task_has_one_thread_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("FARSIGHTED_THREADS", raising=False)
    assert thread_count() == 1
    monkeypatch.setenv("FARSIGHTED_THREADS", "3")
    assert thread_count() == 3


def test_a_block_has_as_many_threads_and_gives_back_what_was_set(monkeypatch):
    monkeypatch.delenv("FARSIGHTED_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = counts()
    with limited_threads():
        assert counts() == {1}
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert counts() == before
    assert os.environ["OMP_NUM_THREADS"] == "7"
    monkeypatch.delenv("OMP_NUM_THREADS")
    with limited_threads():
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in os.environ
