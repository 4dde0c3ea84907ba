"""Writers in processes of their own that are killed by SIGKILL at moments spread over one write."""

import importlib.util
import subprocess
import sys

# The package's index imports everything; a writer needs none of it, and is started many times.
_BARE_PACKAGE = """
import sys
import types

sys.modules["farsighted"] = types.ModuleType("farsighted")
sys.modules["farsighted"].__path__ = [sys.argv[3]]
"""

_HARNESS = """
import os
import signal
import sys
import time
from pathlib import Path

def trial(root, share):
    told, tell = os.pipe()
    writer = os.fork()
    if writer == 0:
        for number in range(100_000):
            write(root, number)
            os.write(tell, b".")
    os.read(told, 1)
    began = time.perf_counter()
    os.read(told, 1)
    time.sleep(share * (time.perf_counter() - began))
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the writer ended on its own"

trials = int(sys.argv[2])
for number in range(trials):
    root = Path(sys.argv[1]) / str(number)
    root.mkdir()
    trial(root, number / trials)
"""


def kill_while_writing(define_write, root, trials):
    """Run `define_write` (source of `write(root, number)`, number 0, 1, ...) over and over in so many processes.

    Each works in a folder of its own and is killed after its second write: trial k at the share k / trials of the time
    that a write takes. Returns the folders.
    """
    package = importlib.util.find_spec("farsighted").submodule_search_locations[0]
    code = _BARE_PACKAGE + define_write + _HARNESS
    command = [sys.executable, "-c", code, str(root), str(trials), package]
    subprocess.run(command, check=True, timeout=60)
    return [root / str(number) for number in range(trials)]
