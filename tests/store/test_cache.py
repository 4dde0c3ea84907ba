"""The cache: what comes back, what goes first, and what processes that share or lose it see."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from farsighted.store.cache import ArrayCache
from oracles.killed_writer import kill_while_writing

ARRAYS = {
    "signal": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "seconds": np.array(0.1),
    "nothing": np.empty((0, 4), dtype=np.float16),
}
PLENTY = 10**6


def bytes_of(folder):
    return {path.stem: path.stat().st_size for path in folder.glob("*.arrays")}


def entry(number, size=100):
    return {"x": np.full(size, number, dtype=np.uint8)}


@pytest.fixture
def entry_bytes(tmp_path):
    """What an entry takes on disk."""
    ArrayCache(tmp_path / "one", PLENTY).write("a", entry(0))
    return bytes_of(tmp_path / "one")["a"]


def test_arrays_come_back_bit_for_bit(tmp_path):
    ArrayCache(tmp_path, PLENTY).write("a", ARRAYS)
    found = ArrayCache(tmp_path, PLENTY).read("a")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


def test_what_was_never_written_is_not_there(tmp_path):
    assert ArrayCache(tmp_path / "nowhere", PLENTY).read("a") is None


def test_a_limit_of_0_keeps_nothing_and_touches_nothing(tmp_path):
    cache = ArrayCache(tmp_path / "x", 0)
    cache.write("a", ARRAYS)
    with cache.claim("a", wait=False) as granted:
        assert granted
    assert cache.read("a") is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_longest_goes_first_and_reading_is_using(tmp_path, entry_bytes):
    """Room is made down to nine tenths: of ten entries that fit, the eleventh pushes two out."""
    cache = ArrayCache(tmp_path / "ten", 10 * entry_bytes)
    for number in range(10):
        cache.write(f"k{number}", entry(number))
    for used in ("k0", "k2"):
        cache.read(used)
    cache.write("k10", entry(10))
    assert sorted(bytes_of(tmp_path / "ten")) == sorted({f"k{n}" for n in range(11)} - {"k1", "k3"})


def test_the_limit_holds_after_every_write(tmp_path):
    rng = np.random.default_rng(0)
    caches = [ArrayCache(tmp_path, 5000) for _ in range(2)]
    for number in range(60):
        caches[number % 2].write(f"k{number}", entry(number, int(rng.integers(1, 3000))))
        assert f"k{number}" in bytes_of(tmp_path)
        assert sum(bytes_of(tmp_path).values()) <= 5000


def test_a_lower_limit_is_kept_at_the_next_write(tmp_path, entry_bytes):
    for number in range(10):
        ArrayCache(tmp_path / "x", PLENTY).write(f"k{number}", entry(number))
    ArrayCache(tmp_path / "x", 2 * entry_bytes).write("new", entry(0))
    assert bytes_of(tmp_path / "x").keys() == {"new"}


def test_what_is_larger_than_the_limit_is_not_kept_and_said_once(tmp_path, caplog, entry_bytes):
    cache = ArrayCache(tmp_path / "x", entry_bytes)
    cache.write("a", entry(0))
    cache.write("b", entry(1, 1000))
    cache.write("c", entry(1, 1000))
    assert bytes_of(tmp_path / "x").keys() == {"a"}
    assert ["do not fit into the limit" in message for message in caplog.messages] == [True]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], lambda data: b""],
    ids=["cut off", "one bit", "empty"],
)
def test_a_damaged_entry_is_not_there_and_said(tmp_path, caplog, damage):
    cache = ArrayCache(tmp_path, PLENTY)
    cache.write("a", ARRAYS)
    path = tmp_path / "a.arrays"
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("a") is None
    assert not path.exists()
    (message,) = caplog.messages
    assert f"'{path}' is damaged" in message


@pytest.mark.parametrize("total", ["", "x", "0", "999999999"])
def test_a_wrong_or_torn_sum_of_sizes_is_put_right_by_counting(tmp_path, total, entry_bytes):
    cache = ArrayCache(tmp_path / "x", 4 * entry_bytes)
    for number in range(4):
        cache.write(f"k{number}", entry(number))
    # "0" stands for entries that were put there by hand: they are counted when room is made.
    (tmp_path / "x" / "bytes.txt").write_text(total)
    for number in range(4, 12):
        cache.write(f"k{number}", entry(number))
    assert sum(bytes_of(tmp_path / "x").values()) <= 4 * entry_bytes


def test_a_claim_is_granted_to_one_at_a_time(tmp_path):
    one, other = (ArrayCache(tmp_path, PLENTY) for _ in range(2))
    with one.claim("a", wait=True) as first, other.claim("a", wait=False) as second:
        assert (first, second) == (True, False)
    with other.claim("a", wait=False) as third:
        assert third


def test_a_claim_ends_with_its_process_and_with_an_error(tmp_path):
    code = "import sys, pathlib; from farsighted.store.cache import ArrayCache\n" + (
        "with ArrayCache(pathlib.Path(sys.argv[1]), 1000).claim('a', wait=True): print('mine', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "mine\n"
    cache = ArrayCache(tmp_path, PLENTY)
    with cache.claim("a", wait=False) as granted:
        assert not granted
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with contextlib.suppress(ValueError), cache.claim("a", wait=False) as granted:
        assert granted
        raise ValueError("an error in the middle of the work")
    with cache.claim("a", wait=False) as granted:
        assert granted


def test_a_folder_that_cannot_be_used_is_said_and_nothing_is_lost(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = ArrayCache(tmp_path / "file", PLENTY)
    with cache.claim("a", wait=True) as granted:
        assert granted
    cache.write("a", ARRAYS)
    assert cache.read("a") is None
    assert [message.startswith("Nothing more is kept in") for message in caplog.messages] == [True]


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = ArrayCache(tmp_path, PLENTY)
    cache.write("a", ARRAYS)
    monkeypatch.setattr(os, "fsync", full)
    cache.write("b", ARRAYS)
    assert bytes_of(tmp_path).keys() == {"a"}
    assert "No space left on device" in caplog.text


_WRITER = """
import numpy as np
from farsighted.store.cache import ArrayCache

def write(root, number):
    ArrayCache(root, 3000).write(f"k{number}", {"x": np.full(1000, number % 251, dtype=np.uint8)})
"""


def test_a_killed_writer_leaves_whole_entries_within_the_limit(tmp_path, caplog):
    for folder in kill_while_writing(_WRITER, tmp_path, trials=12):
        assert sum(bytes_of(folder).values()) <= 3000
        cache = ArrayCache(folder, 3000)
        for key in bytes_of(folder):
            assert (cache.read(key)["x"] == int(key[1:]) % 251).all()
        cache.write("next", entry(7, 2000))
        assert (cache.read("next")["x"] == 7).all()
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert caplog.messages == []


_CROWD = """
import sys
from pathlib import Path
import numpy as np
from farsighted.store.cache import ArrayCache

cache, rng = ArrayCache(Path(sys.argv[1]), 20_000), np.random.default_rng(int(sys.argv[2]))
hits = 0
for key in rng.integers(40, size=400).tolist():
    found = cache.read(f"k{key}")
    if found is None:
        cache.write(f"k{key}", {"x": np.full(1000, key, dtype=np.uint8)})
    else:
        assert found["x"].shape == (1000,) and (found["x"] == key).all()
        hits += 1
print(hits)
"""


def test_readers_survive_what_others_delete(tmp_path):
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", _CROWD, str(tmp_path), str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    said = [one.communicate(timeout=60) for one in crowd]
    assert [err for _, err in said] == [""] * 3
    # Half of the keys fit: without a cache that works nothing would be found.
    assert all(int(out) > 40 for out, _ in said)
    assert sum(bytes_of(Path(tmp_path)).values()) <= 20_000
