"""Named arrays on disk under keys that say what decides them; within a limit, the least recently used go first.

An entry is one file: the SHA-256 of its content, then the content. It is written whole or not at all and never changes,
so a reader needs no claim, and an entry that is deleted while it is read is read to its end. What makes room and writes
holds one claim, so the limit holds whatever processes share the folder; one that is suspended there for longer than a
claim lasts may bring the sum out by its entry, until room is made again. A cache only saves work: where its folder
cannot be used, it says so and keeps nothing.
"""

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from farsighted.core.errors import StorageError
from farsighted.store import atomic
from farsighted.store.claims import Claim, Claims, Found

_log = logging.getLogger(__name__)

_ENDING: Final = ".arrays"
_TOTAL: Final = "bytes.txt"
"""The sum of the entries' sizes, or more: it is raised before an entry is written, so that a killed writer leaves no
entry uncounted."""
_CLAIMS: Final = "claims"
_ROOM: Final = "room"
_ROOM_POLL_SECONDS: Final = 0.005
"""Making room and writing takes as long as a file."""
_WORK_POLL_SECONDS: Final = 0.1
"""The work behind a key takes seconds."""
_KEPT_TENTHS: Final = 9
"""Tenths of the limit that are in use after room was made: a full cache must not be counted for every entry."""
_DIGEST_BYTES: Final = 32


class ArrayCache:
    """Entries in one folder, for any number of processes at once.

    `limit_bytes` bounds the sum of the entries' sizes; 0 keeps nothing, and then the folder is never touched.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._claims = Claims(folder / _CLAIMS)
        self._limit = limit_bytes
        self._told_too_large = False

    def read(self, key: str) -> dict[str, np.ndarray] | None:
        """Return an entry's arrays, or None where there is none; a damaged one is deleted, with a warning."""
        if not self._limit:
            return None
        path = self._path(key)
        try:
            data = path.read_bytes()
            arrays = _decoded(data)
            if arrays is None:
                _log.warning("'%s' is damaged: it is deleted, and what it held is computed anew.", path)
                path.unlink(missing_ok=True)
            else:
                _touch(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._give_up(error)
            return None
        return arrays

    def write(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a key, and delete what was not used for longest where they would not fit."""
        if not self._limit:
            return
        data = _encoded(arrays)
        if len(data) > self._limit:
            self._tell_too_large(len(data))
            return
        try:
            with self._claims.wait(_ROOM, _ROOM_POLL_SECONDS):
                self._make_room(len(data))
                atomic.write_bytes(self._path(key), data)
                _touch(self._path(key))
        except OSError as error:
            self._give_up(error)
        except StorageError as error:
            self._give_up(error.__cause__ or error)

    @contextlib.contextmanager
    def claim(self, key: str, *, wait: bool) -> Iterator[bool]:
        """Keep other processes from the work behind a key; gives whether the claim was granted.

        Without `wait` it is not where another process has one. The claim of a killed process ends with it.
        """
        taken = self._taken(key, wait) if self._limit else None
        if isinstance(taken, Found):
            yield False
            return
        with taken or contextlib.nullcontext():
            yield True

    def _taken(self, key: str, wait: bool) -> Claim | Found | None:
        """Return the claim on a key, this process's or another one's; None where the folder cannot be used."""
        try:
            return self._claims.wait(key, _WORK_POLL_SECONDS) if wait else self._claims.take(key)
        except StorageError as error:
            self._give_up(error.__cause__ or error)
            return None

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_ENDING}"

    def _make_room(self, size: int) -> None:
        """Delete entries where `size` more bytes would exceed the limit, and count them in; under the claim."""
        total = _number(self._folder / _TOTAL)
        if total is None or total + size > self._limit:
            total = self._evict(self._limit * _KEPT_TENTHS // 10 - size)
        (self._folder / _TOTAL).write_text(str(total + size))

    def _evict(self, most: int) -> int:
        """Delete the least recently used entries until the others hold at most `most` bytes; returns what is left."""
        for left in self._folder.glob(f".*{_ENDING}.*"):
            left.unlink(missing_ok=True)  # Writers hold the claim, so whoever began this file was killed.
        entries = []
        for path in self._folder.glob(f"*{_ENDING}"):
            # A reader may have deleted it for being damaged.
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                entries.append((state.st_mtime_ns, path, state.st_size))
        total = sum(size for *_, size in entries)
        for _, path, size in sorted(entries):
            if total <= most:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total

    def _give_up(self, error: BaseException) -> None:
        self._limit = 0
        _log.warning("Nothing more is kept in '%s': %s", self._folder, error)

    def _tell_too_large(self, size: int) -> None:
        if not self._told_too_large:
            _log.warning("%d bytes do not fit into the limit of %d of '%s'.", size, self._limit, self._folder)
        self._told_too_large = True


def _encoded(arrays: Mapping[str, np.ndarray]) -> bytes:
    content: bytes = save_arrays({name: np.asarray(array, order="C") for name, array in arrays.items()})
    return hashlib.sha256(content).digest() + content


def _decoded(data: bytes) -> dict[str, np.ndarray] | None:
    content = data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != data[:_DIGEST_BYTES]:
        return None
    arrays: dict[str, np.ndarray] = load_arrays(content)
    return arrays


def _touch(path: Path) -> None:
    """Note the time of use; the file system's own access time is often switched off."""
    now = time.time_ns()
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, ns=(now, now))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
