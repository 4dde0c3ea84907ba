"""The executor, with workers that are ten lines long and do what the name of their task says."""

import math
import signal
import sys
import threading

import pytest

from farsighted.core.errors import ConfigError, FarsightedError, InterruptedRunError, SelectorError, StorageError
from farsighted.core.readings import Reading
from farsighted.launch.local import LocalExecutor
from farsighted.launch.work import Opening, Task
from oracles.notes import Notes

FAKE_WORKER = """#!{python} -S
import json, os, sys, time
def say(event, **more):
    print(json.dumps({{"event": event, **more}}), flush=True)
def stopped():
    return json.loads(sys.stdin.readline() or '{{"task": "stop"}}')["task"] == "stop"
for line in sys.stdin:
    message = json.loads(line)
    if message["task"] == "open":
        opening = message
        if message["argument"].get("refuse"):
            say("refused", kind=message["argument"]["refuse"], message="It cannot be read.")
        continue
    if message["task"] == "stop":
        break
    what = message["name"].split("-")[0]
    say("started")
    if what == "fail":
        say("failed", kind="RuntimeError", message="RuntimeError: boom.")
    elif what in ("StorageError", "SelectorError"):
        say("failed", kind=what, message="It went wrong.")
    elif what == "die":
        os._exit(3)
    elif what == "dieonce" and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), 9)
    elif what == "wait":
        stopped()
        say("interrupted")
        break
    elif what == "hold":
        stopped()
        say("finished")
        break
    elif what == "numbers":
        say("numbers", readings=[["loss", 0.5, "a", "math", 1, None], ["loss", float("nan"), "a", "math", 2, None]])
        say("finished")
    elif what == "opening":
        say("finished", result=opening)
    elif what == "environment":
        say("finished", result=dict(os.environ))
    else:
        say("progress", share=0.5)
        print("to the log", file=sys.stderr)
        say("finished", result=[message["task"], message["name"], os.getpid()])
"""


@pytest.fixture(autouse=True)
def fake_worker(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(FAKE_WORKER.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.chdir(tmp_path)


def executor(tmp_path, workers=1, argument=None, modules=()):
    return LocalExecutor(Opening("m:f", argument or {}, tmp_path / "out", tmp_path / "logs", workers, modules))


def cells(*names):
    return [Task("cell", name) for name in names]


def run(tmp_path, *names, workers=1, observer=None, argument=None):
    with executor(tmp_path, workers, argument) as started:
        return started.run(cells(*names), observer or Notes())


def test_every_task_is_done_once_and_its_result_comes_back(tmp_path):
    results = run(tmp_path, *(f"ok-{n}" for n in range(7)), workers=3)
    assert sorted(outcome.result[1] for outcome in results) == [f"ok-{n}" for n in range(7)]
    assert {outcome.failure for outcome in results} == {None}


def test_one_worker_does_its_tasks_in_order_and_says_how_far_it_is(tmp_path):
    notes = Notes()
    run(tmp_path, "ok-1", "ok-2", observer=notes)
    one = [("started", "ok-1"), ("progressed", "ok-1", 0.5), ("ended", "ok-1")]
    assert notes.said == [*one, ("started", "ok-2"), ("progressed", "ok-2", 0.5), ("ended", "ok-2")]


def test_no_more_workers_are_started_than_there_are_tasks(tmp_path):
    assert len({outcome.result[2] for outcome in run(tmp_path, "ok", workers=5)}) == 1
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_workers_stay_for_the_next_tasks(tmp_path):
    with executor(tmp_path) as started:
        first, second = (started.run(cells(name), Notes())[0] for name in ("ok-1", "ok-2"))
    assert first.result[2] == second.result[2]


def test_no_tasks_are_no_results(tmp_path):
    assert run(tmp_path) == []


def test_what_workers_say_to_people_goes_to_their_log(tmp_path):
    run(tmp_path, "ok")
    assert (tmp_path / "logs" / "worker-1.log").read_text() == "to the log\n"


def test_a_failed_task_comes_back_with_its_message_and_the_others_go_on(tmp_path):
    results = {outcome.task.name: outcome.failure for outcome in run(tmp_path, "ok-1", "fail", "ok-2")}
    assert results == {"ok-1": None, "fail": "RuntimeError: boom.", "ok-2": None}


def test_a_selectors_mistake_is_its_own(tmp_path):
    results = {outcome.task.name: outcome.failure for outcome in run(tmp_path, "SelectorError", "ok")}
    assert results == {"SelectorError": "It went wrong.", "ok": None}


def test_what_no_cell_would_get_around_ends_the_run(tmp_path):
    with pytest.raises(StorageError, match=r"It went wrong\."):
        run(tmp_path, "StorageError", "ok")


@pytest.mark.parametrize(
    ("kind", "error"), [("SelectorError", SelectorError), ("ConfigError", ConfigError), ("KeyError", FarsightedError)]
)
def test_a_worker_that_cannot_read_the_audit_ends_the_run_at_once(tmp_path, kind, error):
    """Not one failure a task, and no waiting for an answer that will not come."""
    with pytest.raises(error, match=r"It cannot be read\."):
        run(tmp_path, "ok-1", "ok-2", "ok-3", argument={"refuse": kind})


def test_the_task_of_a_killed_worker_is_given_to_a_new_one(tmp_path):
    results = run(tmp_path, "dieonce", "ok")
    assert {outcome.failure for outcome in results} == {None}
    assert len({outcome.result[2] for outcome in results}) == 1
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_a_task_that_kills_two_workers_has_failed_and_the_others_go_on(tmp_path):
    results = {outcome.task.name: outcome.failure for outcome in run(tmp_path, "die", "ok-1", "ok-2")}
    assert results["ok-1"] is results["ok-2"] is None
    assert results["die"].startswith("Its process was ended with exit code 3; is there enough memory?")


def test_one_interrupt_lets_running_tasks_write_their_checkpoints_and_starts_no_other(tmp_path):
    notes = Notes(lambda task: signal.raise_signal(signal.SIGINT))
    with pytest.raises(InterruptedRunError, match="every running cell has written a checkpoint"):
        run(tmp_path, "wait", "ok", observer=notes)
    assert notes.said == [("started", "wait")]


def test_a_second_interrupt_does_not_wait(tmp_path):
    def twice(_task):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="Stopped at once"):
        run(tmp_path, "wait", observer=Notes(twice))


def test_a_task_that_ends_while_stopping_is_counted_as_done(tmp_path):
    notes = Notes(lambda task: signal.raise_signal(signal.SIGINT))
    with pytest.raises(InterruptedRunError):
        run(tmp_path, "hold", "ok", observer=notes)
    assert notes.said == [("started", "hold"), ("ended", "hold")]


def test_a_worker_that_is_killed_while_stopping_does_not_keep_the_others(tmp_path):
    notes = Notes(lambda task: signal.raise_signal(signal.SIGINT))
    with pytest.raises(InterruptedRunError):
        run(tmp_path, "dieonce", "ok", observer=notes)
    assert ("started", "ok") not in notes.said


def test_the_handler_of_interrupts_is_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run(tmp_path, "ok")
    assert signal.getsignal(signal.SIGINT) is before


def test_tasks_run_outside_the_main_thread_too(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.extend(run(tmp_path, "ok")))
    thread.start()
    thread.join(30)
    assert [outcome.task.name for outcome in results] == ["ok"]


def test_workers_get_one_thread_and_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = run(tmp_path, "environment")[0].result
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["HF_HUB_OFFLINE"] == environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("FARSIGHTED_THREADS", "3")
    assert run(tmp_path, "environment")[0].result["OMP_NUM_THREADS"] == "3"


def test_logs_that_cannot_be_written_are_refused_before_a_worker_starts(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(StorageError, match="logs"):
        run(tmp_path, "ok")


def test_numbers_come_back_as_they_were_those_that_are_not_finite_too(tmp_path):
    notes = Notes()
    run(tmp_path, "numbers", observer=notes)
    first, second = (reading for event, *_, reading in notes.said if event == "number")
    assert first == Reading("loss", 0.5, "a", "math", 1, None)
    assert math.isnan(second.value)
    assert second.step == 2


def test_a_fresh_process_is_told_everything_that_it_needs(tmp_path):
    with executor(tmp_path, argument={"title": "T"}, modules=("judges",)) as started:
        opening = started.run(cells("opening"), Notes())[0].result
    assert opening["opener"] == "m:f"
    assert opening["argument"] == {"title": "T"}
    assert opening["modules"] == ["judges"]
    assert opening["folder"] == str(tmp_path / "out")
    assert opening["path"][0] == str(tmp_path)
