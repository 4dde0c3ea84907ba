"""Who works on what, in a folder that processes and hosts share: claims with a heartbeat, and no locks.

A claim is a folder that holds one file: named by the claim's token, saying which process holds it. It is built under
another name and put in its place by a rename, which fails where something is there already: so one taker wins, on a
network folder too. A thread of the holder renews the file's time every few seconds. A claim is dead when its holder let
go of it, when its process is gone from this very system, or when the file was not renewed for as long as the holder
promised. Both times compared are the file system's: clocks of hosts differ.

The claims on one name are a chain: `first`, then `TOKEN.next` beside it, made by whoever took over the claim TOKEN. The
last one counts. The races, and why one wins:

- Two take over the same dead claim: both make `TOKEN.next`, and one rename succeeds.
- A slow taker finds a claim dead, and by the time it acts a quicker one has taken over: it fails at the same
  `TOKEN.next`; the quicker one's claim has another name, so nobody can remove it by mistake.
- Meanwhile the quicker one has even finished, and somebody new has made `first`: the slow taker's `TOKEN.next` then
  hangs on nothing. A taker follows the chain once more after its rename, and holds only what it finds at the end.
- A holder is suspended, and is taken over. It learns so at its next heartbeat and whenever it asks: a cell does before
  each write (`Claim.check`), and stops. Suspended between asking and writing it still writes: so a claim saves work and
  keeps files whole, but what is written must be whole and say the same whoever writes it. Work that several cells read
  is never replaced once it is finished (`atomic.keep_folder`).
- The work is done: first the result is there, then `first` goes, by one rename, and with it the chain. Whoever takes
  a claim after that looks whether the work is done.

*Reference:* definitions.md#claimed-cells.
"""

import contextlib
import errno
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from farsighted.core.errors import FarsightedError
from farsighted.store import atomic
from farsighted.store.processes import Process

BEAT_SECONDS: Final = 5.0
"""How often a holder renews its claim."""
LIMIT_SECONDS: Final = 60.0
"""After how long without a heartbeat a claim is dead: many beats, for a network folder may hang for a while."""
_FIRST: Final = "first"
_RELEASED: Final = "released"
_OCCUPIED: Final = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT}
_READ_ONLY: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOBODY: Final = Process("a host that cannot be read", 0, "", 0)
"""Holder of a claim whose file was lost in a crash of its host."""


class ClaimLostError(FarsightedError):
    """Another process has taken over what this one was working on, because it was silent for too long."""


@dataclass(frozen=True, slots=True)
class Found:
    """A claim as it is on disk."""

    token: str
    holder: Process
    silent_seconds: float
    """Since the newest heartbeat."""
    limit_seconds: float
    """What the holder promised."""
    released: bool

    @property
    def alive(self) -> bool:
        """Whether its holder must be thought to be at work."""
        return not self.released and self.silent_seconds <= self.limit_seconds and not self.holder.gone


class Claim:
    """A claim that this process holds; a context manager around the work.

    A block that ends without an error has done the work, and the claim is removed. Otherwise it is let go of, and the
    next taker goes on.
    """

    def __init__(self, folder: Path, token: str, beat_seconds: float) -> None:
        self._folder, self._token, self._beat_seconds = folder, token, beat_seconds
        self._ended, self._lost = threading.Event(), threading.Event()

    @property
    def lost(self) -> bool:
        """Whether a heartbeat has found that another process took over; costs nothing."""
        return self._lost.is_set()

    def check(self) -> None:
        """Look on disk whether the claim still holds; raises `ClaimLostError`."""
        with atomic.storage_errors(self._folder):
            chain = _chain(self._folder)
        if chain and chain[-1].token == self._token:
            return
        self._lost.set()
        raise ClaimLostError(
            f"'{self._folder.name}' was taken over by {chain[-1].holder if chain else 'a process that has finished it'}"
            f", because this process did not renew its claim in time. It leaves '{self._folder.name}' to the other one."
        )

    def __enter__(self) -> Self:
        """Begin to renew the claim."""
        threading.Thread(target=self._renew, daemon=True, name=f"claim {self._folder.name}").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the claim after the work, or let go of it."""
        self._ended.set()
        # A claim that was taken over cannot be given back; and where the folder is away, silence ends the claim too.
        with contextlib.suppress(OSError, FarsightedError):
            self.check()
            if kind is None:
                _remove(self._folder)
            else:
                self._release()

    def _renew(self) -> None:
        while not self._ended.wait(self._beat_seconds) and not self.lost:
            # A network folder may be away for a moment: the next beat tries again, and `check` before each write tells.
            with contextlib.suppress(OSError, FarsightedError):
                self.check()
                os.utime(self._file())

    def _release(self) -> None:
        # Open, not make: where the claim was removed there is nothing to let go of.
        with self._file().open("r+") as file:
            file.seek(0, os.SEEK_END)
            file.write(_RELEASED)

    def _file(self) -> Path:
        """Return the claim's file, which another one's heartbeat never touches."""
        for link, token in _links(self._folder):
            if token == self._token:
                return link / token
        raise FileNotFoundError(self._folder)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims in one folder; names are file names."""

    folder: Path
    beat_seconds: float = BEAT_SECONDS
    limit_seconds: float = LIMIT_SECONDS

    def find(self, name: str) -> Found | None:
        """Return the claim that counts, dead or alive; None where nobody has one. Raises `StorageError`."""
        folder = self.folder / name
        with atomic.storage_errors(folder):
            chain = _chain(folder)
        return chain[-1] if chain else None

    def held(self, name: str) -> Found | None:
        """Return the claim of a living holder, or None; raises `StorageError`."""
        found = self.find(name)
        return found if found is not None and found.alive else None

    def take(self, name: str) -> Claim | Found:
        """Return a new claim, or the one that its living holder has; takes over a dead one. Raises `StorageError`."""
        folder = self.folder / name
        with atomic.storage_errors(folder):
            taken = None
            while taken is None:
                taken = self._try(folder)
        return taken

    def wait(self, name: str, poll_seconds: float) -> Claim:
        """Return a claim as soon as it can be had, asking every few seconds; raises `StorageError`."""
        while isinstance(taken := self.take(name), Found):
            time.sleep(poll_seconds)
        return taken

    def _try(self, folder: Path) -> Claim | Found | None:
        """Return a new claim or the living one; None where another process was quicker, so that all has changed."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            if folder.is_file():
                raise
            return None  # The folder was there, and was removed before anybody could look what it was.
        chain = _chain(folder)
        if chain and chain[-1].alive:
            return chain[-1]
        token = secrets.token_hex(8)
        link = folder / (f"{chain[-1].token}.next" if chain else _FIRST)
        try:
            self._make(token, link)
        except FileNotFoundError:
            return None  # Somebody has just finished the work and removed the folder.
        tokens = [token for _, token in _links(folder)]
        if token not in tokens and _token(link) == token:
            shutil.rmtree(link, ignore_errors=True)
        return Claim(folder, token, self.beat_seconds) if tokens[-1:] == [token] else None

    def _make(self, token: str, link: Path) -> None:
        """Put a claim where nothing is; whether it worked is read from the disk."""
        said = json.dumps({"process": asdict(Process.here()), "limit_seconds": self.limit_seconds})
        built = link.parent / f".{token}"
        built.mkdir()
        try:
            (built / token).write_text(f"{said}\n", encoding="utf-8")
            os.utime(built / token)
            built.rename(link)
        except OSError as error:
            # A network folder may lose the answer to a rename that was done, and do it again: then nothing is there.
            if error.errno not in _OCCUPIED:
                raise
        finally:
            shutil.rmtree(built, ignore_errors=True)


def _chain(folder: Path) -> list[Found]:
    """Return the claims in a folder, the one that counts last."""
    now = _now(folder)
    return [found for link, token in _links(folder) if (found := _read(link, token, now)) is not None]


def _links(folder: Path) -> Iterator[tuple[Path, str]]:
    """Walk along the chain: each claim's folder and token."""
    link = folder / _FIRST
    while (token := _token(link)) is not None:
        yield link, token
        link = folder / f"{token}.next"


def _token(link: Path) -> str | None:
    try:
        return next((path.name for path in link.iterdir()), None)
    except FileNotFoundError:
        return None


def _read(link: Path, token: str, now: float) -> Found | None:
    """Return the claim in a folder, or None where it was removed at this moment."""
    try:
        # A network folder's client asks the server anew when a file is opened, so its time is read from the open file.
        with (link / token).open(encoding="utf-8") as file:
            said, _, rest = file.read().partition("\n")
            silent_seconds = max(0.0, now - os.fstat(file.fileno()).st_mtime)
    except FileNotFoundError:
        return None
    try:
        facts = json.loads(said)
        holder, limit_seconds = Process(**facts["process"]), float(facts["limit_seconds"])
    except (ValueError, TypeError, KeyError):
        holder, limit_seconds = _NOBODY, LIMIT_SECONDS
    return Found(token, holder, silent_seconds, limit_seconds, rest == _RELEASED)


def _now(folder: Path) -> float:
    """Return the time by the file system's clock; 0 where there is no folder, so no claim either.

    A network folder's client forgets what it remembers of a folder when a file is made in it: what is read next is new.
    Where nothing can be written, as in another user's folder, the time is this host's: good enough to look at.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.utime(file.fileno())
            return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return 0.0
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return time.time()


def _remove(folder: Path) -> None:
    """Remove the claims in a folder: `first` in one step, and only then what hung on it."""
    links = list(_links(folder))
    if not links:
        return
    grave = folder / f".{secrets.token_hex(8)}"
    links[0][0].rename(grave)
    for rest in (grave, *(link for link, _ in links[1:])):
        shutil.rmtree(rest)
    # Another process may be about to make the next claim in it.
    with contextlib.suppress(OSError):
        folder.rmdir()
