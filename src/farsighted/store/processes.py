"""Which process of which running system something was, and whether it has surely ended."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_ENDED = {"Z", "X"}
"""States of a process that was killed and that its parent has not asked for yet."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from every other one that has ever run on any host."""

    host: str
    """The host's name, for people: containers may share one."""
    pid: int
    system: str
    """The boot of the host and the space of process numbers in it; empty where the system does not tell (not Linux)."""
    started: int
    """When it started, in clock ticks since the boot: process numbers are used again. 0 where nobody knows."""

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _system(), (_stat(pid) or ("", 0))[1])

    @property
    def gone(self) -> bool:
        """Whether it has surely ended; False where that cannot be told from here, as from another host."""
        if not self.system or self.system != _system():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # It is another user's, so there is one; the numbers below may be hidden.
        found = _stat(self.pid)
        return found is not None and (found[0] in _ENDED or found[1] != self.started)

    def __str__(self) -> str:
        """Return how people tell it."""
        return f"process {self.pid} on {self.host}"


def _system() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int] | None:
    """Return the state of a process and its start in clock ticks; None where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, parentheses and spaces included.
    fields = text.rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[19])
