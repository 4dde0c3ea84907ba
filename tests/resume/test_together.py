"""Two processes in one folder share the cells; one that dies, or sleeps and wakes, costs the other nothing but time."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from farsighted.store.layout import Layout
from oracles.micro import COMMAND, assert_same_cell, complete_entries, environment, prepare_working_folder

DEADLINE_SECONDS = 180
SEEDS = (0, 1, 2, 3)
ARGUMENTS = ("audit", "quadratic", "--workers", "1", "selectors=[random, 'mine.noted:Noted']", "references=[]")
CELLS = 2 * len(SEEDS)

# Notes each call of a worker, and waits in its first one until the test lets it go. The command itself tries the
# selector out before anything starts.
NOTED = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from farsighted import Scored

@dataclass(frozen=True)
class Noted(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        if not sys.argv[0].endswith("worker.py"):
            return signals["tokens"]
        calls, me = Path(os.environ["CALLS"]), str(os.getpid())
        first = me not in calls.read_text().split()
        with calls.open("a") as file:
            file.write(f"{me}\\n")
        while first and not Path(os.environ["MAY_RUN"]).exists():
            time.sleep(0.002)
        return signals["tokens"]
"""


@dataclass
class Runs:
    """A folder to work in, and what was started in it."""

    folder: Path
    processes: list = field(default_factory=list)

    @property
    def layout(self):
        return Layout(self.folder / "out")

    def start(self):
        """Start the command; return it and its worker when that waits in the middle of a cell."""
        before = set(self.callers())
        told = {"CALLS": str(self.folder / "calls"), "MAY_RUN": str(self.folder / f"may-run-{len(self.processes)}")}
        process = subprocess.Popen(
            [COMMAND, *ARGUMENTS, f"seeds={list(SEEDS)}", "--out", "out"],
            cwd=self.folder,
            env=environment(self.folder) | told,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        until(lambda: process.poll() is not None or set(self.callers()) - before)
        (worker,) = set(self.callers()) - before
        return process, int(worker)

    def let_go(self, process):
        (self.folder / f"may-run-{self.processes.index(process)}").touch()

    def callers(self):
        """The process of each call, in order."""
        return (self.folder / "calls").read_text().split()

    def finished(self):
        """Finished cells and when their marker was written."""
        return {path.parent.name: path.stat().st_mtime_ns for path in complete_entries(self.layout.cells)}

    def held(self):
        return {path.name for path in self.layout.claims.iterdir()}


def until(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended(process):
    stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def new_runs(folder):
    prepare_working_folder(folder)
    (folder / "mine" / "noted.py").write_text(NOTED)
    (folder / "calls").touch()
    return Runs(folder)


@pytest.fixture
def runs(tmp_path):
    made = new_runs(tmp_path / "work")
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process that did everything."""
    made = new_runs(tmp_path_factory.mktemp("alone") / "work")
    process, _ = made.start()
    made.let_go(process)
    assert ended(process).returncode == 0
    return made


def assert_same_cells(runs, alone):
    assert runs.finished().keys() == alone.finished().keys()
    assert len(alone.finished()) == CELLS
    for cell_id in alone.finished():
        assert_same_cell(runs.layout.cell(cell_id), alone.layout.cell(cell_id))
    assert runs.held() == set()


def test_each_cell_is_run_by_one_of_two_processes_and_both_report_all_of_them(runs, alone):
    pairs = [runs.start() for _ in range(2)]
    for process, _ in pairs:
        runs.let_go(process)
    done = [ended(process) for process, _ in pairs]
    assert [(one.returncode, one.stdout) for one in done] == [(0, "out/scorecard.md\n")] * 2
    # No call is made twice, and neither process makes all of them.
    assert len(runs.callers()) == len(alone.callers())
    assert set(runs.callers()) == {str(worker) for _, worker in pairs}
    for one, other in zip(done, pairs[::-1], strict=True):
        assert one.stderr.count(f"finished by process {other[1]} on ") >= 1
        assert f"[{CELLS}/{CELLS}]" in one.stderr
    assert_same_cells(runs, alone)


def test_the_cells_of_a_killed_process_are_taken_over_at_once(runs, alone):
    (killed, its_worker), (other, _) = runs.start(), runs.start()
    for pid in (killed.pid, its_worker):
        os.kill(pid, signal.SIGKILL)
    ended(killed)
    runs.let_go(other)
    assert ended(other).returncode == 0
    assert_same_cells(runs, alone)


def test_a_process_that_slept_through_its_limit_wakes_to_find_its_cell_done_and_changes_nothing(runs, alone):
    sleeper, its_worker = runs.start()
    os.kill(its_worker, signal.SIGSTOP)
    for claim in runs.layout.claims.glob("*/*/*"):
        os.utime(claim, (0, 0))  # Its limit has passed.
    other, _ = runs.start()
    runs.let_go(other)
    assert ended(other).returncode == 0
    before = runs.finished()
    os.kill(its_worker, signal.SIGCONT)
    runs.let_go(sleeper)
    assert ended(sleeper).returncode == 0
    assert runs.finished() == before
    assert "was taken over by a process that has finished it" in (runs.layout.logs / "worker-1.log").read_text()
    assert_same_cells(runs, alone)


def test_ctrl_c_ends_a_process_that_only_waits(runs):
    (holder, its_worker), (waiting, _) = runs.start(), runs.start()
    runs.let_go(waiting)
    until(lambda: len(runs.finished()) == CELLS - 1)
    os.killpg(waiting.pid, signal.SIGINT)
    stopped = ended(waiting)
    assert stopped.returncode == 130
    assert f"left to process {its_worker} on " in stopped.stderr
    assert "Traceback" not in stopped.stderr
    runs.let_go(holder)
    assert ended(holder).returncode == 0
    assert len(runs.finished()) == CELLS
