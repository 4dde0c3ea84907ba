import pytest

from farsighted.core.readings import Reading
from farsighted.launch.observers import Several, Silent
from farsighted.launch.work import Task, TaskResult
from oracles.notes import Notes

TASK, READING = Task("cell", "a"), Reading("loss", 1.5, "a", "math", 1)


def tell(observer):
    observer.started(TASK)
    observer.progressed(TASK, 0.5)
    observer.numbers(TASK, [READING])
    observer.ended(TaskResult(TASK))


def test_several_hear_the_same_in_the_same_order():
    both = Notes(), Notes()
    several = Several(both)
    tell(several)
    several.noted("A host is gone.")
    assert both[0].said == both[1].said
    assert both[0].said == [
        ("started", "a"),
        ("progressed", "a", 0.5),
        ("number", "a", READING),
        ("ended", "a"),
        ("noted", "A host is gone."),
    ]


def test_who_shows_nothing_still_warns_of_a_note(capsys):
    tell(Silent())
    assert capsys.readouterr() == ("", "")
    with pytest.warns(RuntimeWarning, match="A host is gone"):
        Silent().noted("A host is gone.")
