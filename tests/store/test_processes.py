import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farsighted.store import processes
from farsighted.store.processes import Process

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process started")


def test_this_process_is_not_gone_and_says_who_it_is():
    assert not Process.here().gone
    assert str(Process.here()).startswith(f"process {os.getpid()} on ")


@pytest.fixture
def child():
    """A process that says who it is and waits to be ended."""
    code = "import dataclasses, json; from farsighted.store.processes import Process\n" + (
        "print(json.dumps(dataclasses.asdict(Process.here())), flush=True); input()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def told(child):
    return Process(**json.loads(child.stdout.readline()))


@LINUX
def test_a_killed_process_is_gone_even_before_its_parent_asks(child):
    process = told(child)
    assert not process.gone
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.gone
    child.wait()
    assert process.gone


@LINUX
def test_a_process_number_that_is_used_again_is_another_process():
    here = Process.here()
    assert dataclasses.replace(here, started=here.started - 1).gone


def test_what_runs_under_another_system_cannot_be_told(monkeypatch):
    here = Process.here()
    ended = dataclasses.replace(here, started=here.started - 1)
    assert not dataclasses.replace(ended, system="another boot").gone
    monkeypatch.setattr(processes, "_system", lambda: "")
    assert not dataclasses.replace(ended, system="").gone


@LINUX
def test_a_process_of_another_user_is_not_gone_where_its_numbers_are_hidden(monkeypatch):
    def denied(*_):
        raise PermissionError

    here = Process.here()
    monkeypatch.setattr(os, "kill", denied)
    monkeypatch.setattr(processes, "_stat", lambda pid: None)
    assert not here.gone


@LINUX
def test_a_programs_name_may_hold_spaces_and_parentheses(tmp_path):
    program = tmp_path / "a) b (c"
    program.symlink_to(sys.executable)
    code = "import time; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([str(program), "-I", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "up\n"
        assert b"a) b (c" in Path(f"/proc/{process.pid}/stat").read_bytes()
        state, started = processes._stat(process.pid)
        assert state in {"R", "S"}
        assert started >= processes._stat(os.getpid())[1]
    finally:
        process.kill()
        process.communicate()
