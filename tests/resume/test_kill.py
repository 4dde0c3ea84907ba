"""A run that is interrupted, killed and orphaned gives the same bytes as one that was left alone."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from farsighted.store.layout import Layout
from oracles.cli import run_cli
from oracles.micro import COMMAND, assert_same_cell, complete_entries, environment, prepare_working_folder

SELECTORS = ("random", "utility_diversity", "lhas", "diversity")
ARGUMENTS = (
    *("audit", "micro.yaml", "--out", "out", "--workers", "1"),
    *(f"selectors=[{', '.join(SELECTORS)}]", "references=[]", "checkpoint.seconds=0"),
)
DEADLINE_SECONDS = 180


@dataclass
class Story:
    """Three runs of one command: interrupted, killed with its terminal, and one whose worker is killed."""

    layout: Layout
    ids: dict
    interrupted: subprocess.CompletedProcess
    status_after_interrupt: str
    checkpoints_after_interrupt: list
    finished_before_last: dict
    last: subprocess.CompletedProcess
    finished_after_last: dict


@pytest.fixture(scope="module")
def story(micro, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    prepare_working_folder(folder)
    layout, ids = Layout(folder / "out"), micro.cell_ids()

    first = start(folder)
    wait_for_checkpoint(first, layout, ids["random"])
    os.killpg(first.pid, signal.SIGINT)
    interrupted = ended(first)
    status = run_cli("status", str(layout.root)).out
    checkpoints = complete_entries(layout.checkpoints(ids["random"]))

    second = start(folder)
    wait_for_checkpoint(second, layout, ids["utility_diversity"])
    os.killpg(second.pid, signal.SIGKILL)
    ended(second)
    before = finished(layout)

    third = start(folder)
    wait_for_checkpoint(third, layout, ids["lhas"])
    os.kill(worker_of(third.pid), signal.SIGKILL)
    last = ended(third)
    return Story(layout, ids, interrupted, status, checkpoints, before, last, finished(layout))


def test_one_interrupt_ends_with_code_130_a_checkpoint_and_a_sentence(story):
    assert story.interrupted.returncode == 130
    assert "every running cell has written a checkpoint. The same command goes on" in story.interrupted.stderr
    assert "Traceback" not in story.interrupted.stderr
    assert len(story.checkpoints_after_interrupt) == 1


def test_status_tells_of_the_interrupted_cell(story):
    assert "1 interrupted after" in story.status_after_interrupt
    assert "3 missing" in story.status_after_interrupt


def test_the_same_command_completes_what_was_interrupted_and_killed(story):
    assert story.last.returncode == 0, story.last.stderr
    assert set(story.finished_after_last) == {story.ids[name] for name in SELECTORS}
    assert not any(story.layout.root.glob("checkpoints/*/*"))


def test_cells_that_were_finished_are_not_run_again(story):
    assert story.ids["random"] in story.finished_before_last
    for cell_id, written in story.finished_before_last.items():
        assert story.finished_after_last[cell_id] == written


@pytest.mark.parametrize(
    ("selector", "fate"),
    list(zip(SELECTORS, ("interrupted", "orphaned", "worker killed", "left alone"), strict=True)),
)
def test_a_cell_has_the_same_bytes_whatever_happened_to_it(story, micro, selector, fate):
    cell_id = story.ids[selector]
    assert_same_cell(story.layout.cell(cell_id), micro.layout.cell(cell_id))


@pytest.mark.parametrize("selector", ["random", "utility_diversity", "lhas"])
def test_a_cell_says_that_it_was_interrupted(story, selector):
    meta = json.loads((story.layout.cell(story.ids[selector]) / "cell.json").read_text())
    assert not meta["uninterrupted"]


def start(folder):
    """Start the command as a terminal does: in a process group of its own."""
    return subprocess.Popen(
        [COMMAND, *ARGUMENTS],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process):
    stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def wait_for_checkpoint(process, layout, cell_id):
    """Return when a running cell has a checkpoint and is not done."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not complete_entries(layout.checkpoints(cell_id)):
        assert process.poll() is None, ended(process).stderr
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert not layout.finished(cell_id)


def finished(layout):
    """Finished cells and when their marker was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in complete_entries(layout.cells)}


def worker_of(pid):
    """The one child process that is a worker."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    workers = [
        child for child in children if b"farsighted.launch.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert len(workers) == 1
    return workers[0]
