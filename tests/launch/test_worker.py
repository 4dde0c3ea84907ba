import io
import json
import os
import signal
import subprocess
import sys

import pytest

from farsighted.core.readings import Reading
from farsighted.launch import worker
from farsighted.launch.worker import Wire, open_worker
from oracles.micro import nano_config


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """One real worker: refused twice by what it is given, then opened, interrupted, used, and left."""
    folder = tmp_path_factory.mktemp("worker")
    (folder / "chatty.py").write_text("print('a library prints')\n")
    opening = {
        "task": "open",
        "opener": "farsighted.launch.audit:open_audit",
        "argument": {"config": nano_config(folder)},
        "folder": str(folder / "out"),
        "path": [str(folder)],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "farsighted.launch.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )

    def ask(*messages):
        process.stdin.writelines(json.dumps(message) + "\n" for message in messages)
        process.stdin.flush()

    def heard():
        return json.loads(process.stdout.readline())

    told = {}
    ask(
        {**opening, "modules": ["no_such_module"]},
        {**opening, "modules": [], "argument": {"config": {"titel": "Nano"}}},
    )
    told["import"], told["config"] = heard(), heard()
    ask({**opening, "modules": ["chatty"]}, {"task": "cell", "name": "f00"})
    told["cell"] = [heard(), heard()]
    process.send_signal(signal.SIGINT)
    ask({"task": "stage", "name": "math"})
    told["stage"] = [heard(), heard()]
    rest, log = process.communicate(timeout=60)
    return told | {"rest": rest, "log": log, "code": process.returncode, "out": folder / "out"}


def test_a_module_that_cannot_be_imported_is_answered_for(conversation):
    assert conversation["import"] == {
        "event": "refused",
        "kind": "builtins.ModuleNotFoundError",
        "message": "ModuleNotFoundError: No module named 'no_such_module'.",
    }


def test_a_configuration_that_cannot_be_read_is_answered_for(conversation):
    assert conversation["config"]["event"] == "refused"
    assert conversation["config"]["kind"] == "ConfigError"
    assert "`titel`" in conversation["config"]["message"]


def test_a_task_that_fails_is_answered_with_kind_and_sentence(conversation):
    started, failed = conversation["cell"]
    assert started == {"event": "started"}
    assert (failed["event"], failed["kind"]) == ("failed", "ConfigError")
    assert "f00 is no longer part of this audit" in failed["message"]


def test_an_interrupt_is_the_parents_business(conversation):
    assert [event["event"] for event in conversation["stage"]] == ["started", "finished"]
    assert any((conversation["out"] / "shared").iterdir())


def test_what_libraries_print_goes_to_the_log_and_so_do_tracebacks(conversation):
    assert conversation["rest"] == ""
    assert "a library prints" in conversation["log"]
    assert "Traceback" in conversation["log"]


def test_a_worker_ends_when_its_line_does(conversation):
    assert conversation["code"] == 0


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def wire(out, monkeypatch):
    """A line to a parent that is a text, with nothing on it, at a time that a test sets."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setattr(worker.time, "monotonic", lambda: 0.0)
    return Wire(out)


def events(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_progress_is_told_once_a_percent(wire, out):
    for step in range(1001):
        wire.progressed(step / 1000)
    told = events(out)
    assert len(told) == 101
    assert told[-1] == {"event": "progress", "share": 1.0}


def test_numbers_are_gathered_until_the_next_percent(wire, out):
    readings = [Reading("loss", step / 7, "a", "math", step) for step in range(3)]
    for step, reading in enumerate(readings):
        wire.progressed(step / 1000)
        wire.numbers([reading])
    assert [event["event"] for event in events(out)] == ["progress"]
    wire.progressed(0.01)
    assert [Reading(*fields) for fields in events(out)[1]["readings"]] == readings
    assert [event["event"] for event in events(out)] == ["progress", "numbers", "progress"]


def test_numbers_are_told_after_a_second_and_before_a_tasks_end(wire, out, monkeypatch):
    wire.numbers([Reading("loss", 1.0, "a")])
    assert events(out) == []
    monkeypatch.setattr(worker.time, "monotonic", lambda: 1.0)
    wire.numbers([Reading("loss", 2.0, "a")])
    wire.numbers([Reading("loss", 3.0, "a")])
    wire.send({"event": "finished"})
    told = events(out)
    assert [len(event.get("readings", ())) for event in told] == [2, 1, 0]
    assert told[-1] == {"event": "finished"}


@pytest.mark.parametrize("ending", ["", '{"task": "stop"}\n{"task": "cell", "name": "late"}\n'], ids=["closed", "stop"])
def test_a_closed_line_and_a_stop_both_mean_stop_after_the_tasks_before_it(ending, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"task": "cell", "name": "a"}\n' + ending))
    wire = Wire(io.StringIO())
    assert wire.next_task() == {"task": "cell", "name": "a"}
    assert wire.next_task() is None
    assert wire.should_stop()


def test_a_parent_that_is_gone_is_no_error(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    Wire(Gone()).send({"event": "progress", "share": 0.5})


def test_opening_adds_the_parents_paths_behind_its_own(wire, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/its/own"])
    request = {"path": ["/its/own", "/the/parents"], "modules": [], "opener": f"{__name__}:opened", "argument": {}}
    assert open_worker({**request, "folder": "out"}, wire) is sys.path
    assert sys.path == ["/its/own", "/the/parents"]


def opened(argument, folder, line):
    return sys.path
