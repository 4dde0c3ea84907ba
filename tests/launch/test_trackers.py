import pytest

from farsighted.core.errors import ConfigError
from farsighted.core.readings import Reading
from farsighted.launch.trackers import find_trackers, tracked
from farsighted.launch.work import Task, TaskResult
from oracles.notes import Notes
from oracles.recorder import Recorder

TASK, READING = Task("cell", "a"), Reading("loss", 1.5, "a", "math", 1)


def tell(observer):
    observer.started(TASK)
    observer.progressed(TASK, 0.5)
    observer.numbers(TASK, [READING])
    observer.noted("A host is gone.")
    observer.ended(TaskResult(TASK))


HEARD = [
    ("started", "a"),
    ("progressed", "a", 0.5),
    ("number", "a", READING),
    ("noted", "A host is gone."),
    ("ended", "a"),
]


def test_a_tracker_gets_folder_and_configuration_and_hears_what_the_observer_hears(tmp_path):
    notes = Notes()
    with tracked(notes, [Recorder], tmp_path, {"title": "T"}) as everyone:
        tell(everyone)
    made = Recorder.made[-1]
    assert (made.folder, made.config) == (tmp_path, {"title": "T"})
    assert notes.said == made.said == HEARD


def test_a_tracker_that_is_a_context_is_entered_and_left_with_what_ended_the_audit(tmp_path):
    with tracked(Notes(), [Recorder], tmp_path, {}):
        assert Recorder.made[-1].entered
        assert Recorder.made[-1].left is None
    assert Recorder.made[-1].left == "in peace"
    with pytest.raises(ConfigError), tracked(Notes(), [Recorder], tmp_path, {}):
        raise ConfigError("No.")
    assert Recorder.made[-1].left is ConfigError


class Failing(Recorder):
    """Raises at one call."""

    at = "numbers"

    def __getattribute__(self, name):
        if name == Failing.at:
            return self.fail
        return super().__getattribute__(name)

    def fail(self, *_):
        raise ConnectionError("the server is gone")


@pytest.mark.parametrize("at", ["started", "progressed", "numbers", "noted", "ended"])
def test_a_tracker_that_raises_is_dropped_with_one_note_and_the_others_go_on(tmp_path, monkeypatch, at):
    monkeypatch.setattr(Failing, "at", at)
    notes = Notes()
    with tracked(notes, [Failing, Recorder], tmp_path, {}) as everyone:
        tell(everyone)
        tell(everyone)
    failing, whole = Recorder.made[-2:]
    assert whole.said == HEARD * 2
    assert [said[0] for said in failing.said] == [said[0] for said in HEARD][: len(failing.said)]
    (note,) = (said[1] for said in notes.said if said[0] == "noted" and "dropped" in said[1])
    assert note.startswith("The tracker Failing was dropped, and hears no more of this audit: ConnectionError: the ser")
    assert "test_trackers.py:" in note


class FailingTwice(Recorder):
    """Its server is gone, and it says so at every call."""

    def numbers(self, task, readings):
        raise ConnectionError("the server is gone")

    def __exit__(self, *_):
        raise ConnectionError("the server is still gone")


def test_a_tracker_that_fails_again_as_it_is_left_is_told_of_once(tmp_path):
    notes = Notes()
    with tracked(notes, [FailingTwice], tmp_path, {}) as everyone:
        tell(everyone)
    assert len([said for said in notes.said if said[0] == "noted" and "dropped" in said[1]]) == 1


def never_made(folder, config):
    raise RuntimeError("no account")


class NeverEntered(Recorder):
    def __enter__(self):
        raise RuntimeError("no account")


class NeverLeft(Recorder):
    def __exit__(self, *_):
        raise RuntimeError("no account")


@pytest.mark.parametrize("make", [never_made, NeverEntered, NeverLeft])
def test_a_tracker_that_cannot_be_made_entered_or_left_is_dropped_too(tmp_path, make):
    notes = Notes()
    with tracked(notes, [make], tmp_path, {}) as everyone:
        tell(everyone)
    (note,) = (said[1] for said in notes.said if said[0] == "noted" and "dropped" in said[1])
    assert f"{make.__name__} was dropped" in note


def test_an_error_of_the_audit_is_not_swallowed_by_a_tracker_that_fails(tmp_path):
    with pytest.raises(ConfigError), tracked(Notes(), [NeverLeft], tmp_path, {}):
        raise ConfigError("No.")


def test_an_error_of_the_terminal_is_not_a_trackers(tmp_path):
    class Broken(Notes):
        def started(self, task):
            raise RuntimeError("no terminal")

    with pytest.raises(RuntimeError, match="no terminal"), tracked(Broken(), [Recorder], tmp_path, {}) as everyone:
        everyone.started(TASK)


def test_trackers_are_found_by_name_module_or_as_they_are():
    assert find_trackers(["oracles.recorder:Recorder", Recorder]) == (Recorder, Recorder)
    with pytest.raises(ConfigError, match="There is no tracker 'wandb'"):
        find_trackers(["wandb"])
