import re
import signal

import pytest

from farsighted.core.errors import ConfigError, FarsightedError, InterruptedRunError, SelectorError, StorageError
from farsighted.core.readings import Reading
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.work import Opening, Task
from oracles.notes import Notes


def opened(argument, folder, line):
    """An opener whose tasks do what their name says."""
    if argument.get("refuse"):
        raise argument["refuse"]

    def do(task):
        if task.name == "numbers":
            line.progressed(0.5)
            line.numbers([Reading("loss", 1.5, "a")])
        elif task.name == "stop":
            signal.raise_signal(signal.SIGINT)
            assert line.should_stop()
            raise InterruptedRunError("Stopped.")
        elif task.name == "deaf":
            signal.raise_signal(signal.SIGINT)
        elif task.name == "twice":
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        elif task.name in ("RuntimeError", "SelectorError", "StorageError"):
            kinds = {"RuntimeError": RuntimeError, "SelectorError": SelectorError, "StorageError": StorageError}
            raise kinds[task.name]("It went wrong.")
        return [str(folder), task.name]

    return do


def run(tmp_path, *names, observer=None, argument=None):
    opening = Opening(f"{__name__}:opened", argument or {}, tmp_path / "out", tmp_path / "logs")
    with InlineExecutor.of(opening) as executor:
        return executor.run([Task("cell", name) for name in names], observer or Notes())


def test_tasks_are_done_in_order_and_tell_how_they_go(tmp_path):
    notes = Notes()
    results = run(tmp_path, "numbers", "b", observer=notes)
    assert [outcome.result for outcome in results] == [[str(tmp_path / "out"), name] for name in ("numbers", "b")]
    first = [("progressed", "numbers", 0.5), ("number", "numbers", Reading("loss", 1.5, "a"))]
    ended = [("ended", "numbers"), ("started", "b"), ("ended", "b")]
    assert notes.said == [("started", "numbers"), *first, *ended]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RuntimeError", r"RuntimeError: It went wrong \(.*test_inline\.py, line \d+\)\."),
        ("SelectorError", r"It went wrong\."),
    ],
)
def test_a_failed_task_comes_back_with_its_message_and_the_others_go_on(tmp_path, name, message):
    failed, done = (outcome.failure for outcome in run(tmp_path, name, "b"))
    assert re.fullmatch(message, failed)
    assert done is None
    assert "Traceback" in (tmp_path / "logs" / "inline.log").read_text()


def test_what_no_task_would_get_around_ends_the_run(tmp_path):
    notes = Notes()
    with pytest.raises(StorageError, match="It went wrong"):
        run(tmp_path, "StorageError", "b", observer=notes)
    assert notes.said == [("started", "StorageError")]


@pytest.mark.parametrize(("error", "kind"), [(ConfigError("No."), ConfigError), (KeyError("x"), FarsightedError)])
def test_an_opener_that_fails_ends_the_run(tmp_path, error, kind):
    with pytest.raises(kind):
        run(tmp_path, "a", argument={"refuse": error})


def test_no_tasks_need_no_opener(tmp_path):
    assert run(tmp_path, argument={"refuse": KeyError("x")}) == []


@pytest.mark.parametrize(("name", "said"), [("stop", 1), ("deaf", 2)])
def test_ctrl_c_asks_the_running_task_to_stop_and_starts_no_other(tmp_path, name, said):
    """A task that does not ask is let to its end."""
    notes, before = Notes(), signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError):
        run(tmp_path, name, "b", observer=notes)
    assert len(notes.said) == said
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    with pytest.raises(InterruptedRunError, match="Stopped at once"):
        run(tmp_path, "twice")


def test_tasks_within_another_stop_when_that_one_does(tmp_path):
    with InlineExecutor(lambda line: lambda task: line.should_stop(), tmp_path, lambda: False) as executor:
        assert executor.run([Task("cell", "a")], Notes())[0].result is False
    with (
        InlineExecutor(lambda line: lambda task: None, tmp_path, lambda: True) as executor,
        pytest.raises(InterruptedRunError),
    ):
        executor.run([Task("cell", "a")], Notes())
