"""Programs that a model wrote, run where they can do no harm (Linux).

Each runs in namespaces of its own: no network, no processes or threads but its own, a root that holds the interpreter
read-only and a small folder for temporary files, an empty environment, and limits on memory, time and files. What it
prints is thrown away.

The program never judges itself. It runs in one process; the tests run in another and ask it, over a socket, for the
values of its functions. What comes back are plain values, so a program that ends early, looks through frames, replaces
built-in functions or returns an object that equals everything gains nothing. The tests' process alone holds the secret
that the verdict needs, and gives it back on a descriptor that the program never had.
"""

import functools
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from farsighted.core.errors import ConfigError

_INSIDE: Final = Path(__file__).with_name("sandbox_inside.py")
_UNSHARE: Final = ("--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
_MACHINES: Final = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    seconds: float = 10.0
    """Wall-clock time, start-up included."""
    cpu_seconds: int = 8
    memory_megabytes: int = 512
    """Address space of the program."""
    file_megabytes: int = 8
    """Largest file, and all temporary files together."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program and what it is tested by."""

    source: str
    tests: tuple[str, ...]
    """Python text, run in this order in one namespace, where the program's names stand for its functions and values."""
    setup: str = ""
    """Python text that is run after the program, in the program's namespace."""
    entry_point: str = ""
    """A name that means the program's own function even where Python has a built-in one of that name."""


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """How a program did."""

    passed: bool
    reason: str
    """"passed", or what went wrong, for people."""


@functools.cache
def sandbox_problem() -> str | None:
    """Return why programs cannot be run safely on this machine, or None where they can; tried once a process."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return (
            f"The sandbox needs Linux on {' or '.join(_MACHINES)}, but this is {sys.platform} on {platform.machine()}."
        )
    if shutil.which("unshare") is None:
        return "The sandbox needs the command `unshare` (package util-linux), but there is none."
    verdict = _run(Program("def one():\n    return 1", ("assert one() == 1",)), Limits())
    if verdict.passed:
        return None
    return f"The sandbox needs user namespaces, but a trial did not work: {verdict.reason}. Ask for them to be allowed."


def run_programs(programs: Sequence[Program], limits: Limits | None = None, workers: int = 1) -> list[ProgramOutcome]:
    """Run programs, at most `workers` at a time, and return their verdicts in the order given.

    Raises:
        ConfigError: This machine cannot run them safely; nothing was run then.
    """
    problem = sandbox_problem()
    if problem:
        raise ConfigError(f"Generated programs were not run. {problem}")
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda program: _run(program, limits or Limits()), programs))


def _run(program: Program, limits: Limits) -> ProgramOutcome:
    secret = secrets.token_hex(16)
    before = {"source": program.source, "setup": program.setup, "limits": asdict(limits), "prefix": sys.base_prefix}
    after = {"tests": list(program.tests), "entry_point": program.entry_point, "secret": secret}
    read_end, write_end = os.pipe()
    command = ["unshare", *_UNSHARE, _interpreter(), "-I", "-S", str(_INSIDE), str(write_end)]
    with os.fdopen(read_end, "rb") as verdict_file:
        try:
            child = subprocess.Popen(
                command,
                env={},
                cwd="/",
                executable=shutil.which("unshare"),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(write_end,),
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        with child:
            try:
                _, errors = child.communicate(_framed(before) + _framed(after), timeout=limits.seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                return ProgramOutcome(False, f"still running after {limits.seconds:g} seconds")
        told = verdict_file.read(4096).decode(errors="replace")
    if told == secret:
        return ProgramOutcome(True, "passed")
    ending = errors.decode(errors="replace").strip().splitlines()[-1:]
    return ProgramOutcome(False, told or (ending[0] if ending else "ended without a verdict"))


def _interpreter() -> str:
    """The interpreter itself: a virtual environment's link is in a folder that the sandbox cannot see."""
    return str(Path(sys.executable).resolve())


def _framed(message: Mapping[str, object]) -> bytes:
    data = json.dumps(message).encode()
    return len(data).to_bytes(8, "big") + data
