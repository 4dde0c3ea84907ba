import io

import pytest
from rich.console import Console

from farsighted.cli import progress as progress_module
from farsighted.cli.progress import GridProgress
from farsighted.core.readings import Reading
from farsighted.launch.work import Task, TaskResult

A, B, STAGE = Task("cell", "a"), Task("cell", "b"), Task("stage", "math")
LABELS = {"a": "random, seed 0", "b": "[loss], seed 0"}


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(progress_module, "time", found)
    return found


def plain(total=2, done=0):
    written = io.StringIO()
    return GridProgress(Console(file=written, markup=False, emoji=False, width=200), LABELS, total, done), written


def test_each_finished_cell_is_a_line_with_the_time_that_is_left(clock):
    """One of two cells took 60 s, so 60 s are left."""
    progress, written = plain()
    with progress:
        progress.started(A)
        clock.now += 60
        progress.ended(TaskResult(A, "done"))
        progress.started(B)
        clock.now += 60
        progress.ended(TaskResult(B, "diverged"))
    assert written.getvalue().splitlines() == [
        "[1/2] random, seed 0: done (1 min 0 s left)",
        "[2/2] [loss], seed 0: diverged",
    ]


def test_cells_under_way_count_towards_the_time_that_is_left(clock):
    """One and a half of three cells took 90 s, so as much again is left."""
    progress, written = plain(total=3)
    progress.started(A)
    progress.started(B)
    progress.progressed(B, 0.5)
    clock.now += 90
    progress.ended(TaskResult(A, "done"))
    assert written.getvalue() == "[1/3] random, seed 0: done (1 min 30 s left)\n"


def test_what_was_finished_before_is_said_and_counted(clock):
    progress, written = plain(total=5, done=3)
    with progress:
        progress.started(A)
        progress.ended(TaskResult(A, "done"))
    lines = written.getvalue().splitlines()
    assert lines[0] == "3 of 5 cells were finished before; 2 to run."
    assert lines[1].startswith("[4/5] random")


def test_a_failure_is_told_with_its_reason(clock):
    progress, written = plain(total=1)
    progress.started(A)
    progress.ended(TaskResult(A, failure="RuntimeError: boom."))
    progress.started(STAGE)
    progress.ended(TaskResult(STAGE, failure="RuntimeError: boom."))
    assert written.getvalue().splitlines() == [
        "[1/1] random, seed 0: FAILED: RuntimeError: boom.",
        "shared work, math: FAILED: RuntimeError: boom.",
    ]


def test_what_is_left_to_another_process_counts_when_that_has_finished_it(clock):
    progress, written = plain(total=1)
    for task in (STAGE, A):
        progress.started(task)
        progress.ended(TaskResult(task, {"held_by": "process 7 on h"}))
    progress.ended(TaskResult(A, "finished by process 7 on h"))
    assert written.getvalue().splitlines() == [
        "math: left to process 7 on h",
        "random, seed 0: left to process 7 on h",
        "[1/1] random, seed 0: finished by process 7 on h",
    ]


def test_a_note_is_a_line_and_numbers_are_none(clock):
    progress, written = plain()
    progress.started(A)
    progress.numbers(A, [Reading("loss", 1.5, "a", "math", 1)])
    progress.noted("A host is gone.")
    assert written.getvalue() == "Note: A host is gone.\n"


def test_shared_work_is_no_cell(clock):
    progress, written = plain()
    progress.started(STAGE)
    clock.now += 500
    progress.ended(TaskResult(STAGE))
    progress.started(A)
    clock.now += 60
    progress.ended(TaskResult(A, "done"))
    assert written.getvalue().splitlines()[1] == "[1/2] random, seed 0: done (1 min 0 s left)"


def test_plain_output_has_no_bar_and_no_escape_codes(clock):
    progress, written = plain()
    with progress:
        progress.started(A)
        progress.progressed(A, 0.5)
    assert written.getvalue() == ""


def test_a_terminal_has_a_bar_with_share_and_label():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, markup=False, width=200)
    with GridProgress(console, LABELS, 2, 0) as progress:
        progress.started(B)
        progress.progressed(B, 0.5)
        progress._bar.refresh()
    assert "25 %" in written.getvalue()
    assert "[loss], seed 0" in written.getvalue()


def test_the_bar_goes_away_after_an_error():
    console = Console(file=io.StringIO(), force_terminal=True)
    progress = GridProgress(console, LABELS, 2, 0)
    with pytest.raises(RuntimeError), progress:
        raise RuntimeError
    assert not progress._bar.live.is_started
