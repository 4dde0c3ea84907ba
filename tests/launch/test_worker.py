import io
import json
import os
import signal
import subprocess
import sys

import pytest

from farsighted.core.errors import ConfigError
from farsighted.launch import worker
from farsighted.launch.worker import _message, _throttled, _Wire
from oracles.inline_pool import InlinePool
from oracles.micro import nano_config


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """One real worker: refused twice by what it is given, then opened, interrupted, used, and left."""
    folder = tmp_path_factory.mktemp("worker")
    (folder / "chatty.py").write_text("print('a library prints')\n")
    opening = {"task": "open", "root": str(folder / "out"), "path": [str(folder)], "config": nano_config(folder)}
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
    ask({**opening, "modules": ["no_such_module"]}, {**opening, "modules": [], "config": {"titel": "Nano"}})
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
        "kind": "ModuleNotFoundError",
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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("It must be 1. Write 1."), "It must be 1. Write 1."),
        (RuntimeError("the judge is out"), "RuntimeError: the judge is out."),
        (RuntimeError("Done."), "RuntimeError: Done."),
        (KeyError("x"), "KeyError: 'x'."),
        (ValueError(), "ValueError."),
    ],
)
def test_messages_are_sentences(error, message):
    assert _message(error) == message


def test_progress_is_told_once_a_percent():
    told = []

    class Wire:
        def send(self, event, share):
            told.append(share)

    report = _throttled(Wire())
    for step in range(1001):
        report(step / 1000)
    assert len(told) == 101
    assert told[-1] == 1


@pytest.mark.parametrize("ending", ["", '{"task": "stop"}\n{"task": "cell", "name": "late"}\n'], ids=["closed", "stop"])
def test_a_closed_line_and_a_stop_both_mean_stop_after_the_tasks_before_it(ending, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"task": "cell", "name": "a"}\n' + ending))
    wire = _Wire(io.StringIO())
    assert wire.next_task() == {"task": "cell", "name": "a"}
    assert wire.next_task() is None
    assert wire.should_stop()


def test_a_parent_that_is_gone_is_no_error(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    _Wire(Gone()).send("progress", share=0.5)


def test_opening_adds_the_parents_paths_behind_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/its/own"])
    monkeypatch.setattr(worker, "load_inputs", lambda config: None)
    monkeypatch.setattr(worker, "plan_cells", lambda config, inputs: ())
    opening = {"path": ["/its/own", "/the/parents"], "modules": [], "config": nano_config(tmp_path), "root": "out"}
    worker._open(opening, InlinePool({}, "", "", 1))
    assert sys.path == ["/its/own", "/the/parents"]
