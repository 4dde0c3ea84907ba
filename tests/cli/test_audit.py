import json

import pytest

from farsighted import api
from oracles.cli import run_cli
from oracles.micro import nano_config, write_yaml
from oracles.no_pages import no_pages as write_no_pages
from oracles.recorder import Recorder


@pytest.fixture
def nano(tmp_path):
    return write_yaml(tmp_path / "nano.yaml", nano_config(tmp_path))


@pytest.fixture
def no_pages(monkeypatch):
    monkeypatch.setattr(api, "write_results", write_no_pages)


INLINE = ("-w", "1", "--executor", "inline")
IDLE = ("-w", "1", "--executor", "oracles.executors:Idle")
NONE = ("--executor", "oracles.executors:none_may_start")


def test_an_audit_says_each_step_and_prints_nothing_but_its_scorecard(nano, tmp_path, no_pages):
    said = run_cli("audit", nano, "--out", tmp_path / "out", *INLINE)
    assert said.code == 0
    assert said.out == f"{tmp_path / 'out' / 'scorecard.md'}\n"
    lines = said.err.splitlines()
    assert lines[:3] == ["shared work, general: done", "shared work, math: done", "shared work, clusters: done"]
    assert lines[3].startswith("[1/2] random, seed 0, canonical, 25%, lora: done (")
    assert lines[4] == "[2/2] diversity, seed 0, canonical, 25%, lora: done"


def test_the_same_command_says_what_was_finished_before(nano, tmp_path, no_pages):
    run_cli("audit", nano, "--out", tmp_path / "out", *INLINE)
    again = run_cli("audit", nano, "seeds=[0, 1]", "--out", tmp_path / "out", *INLINE)
    assert again.err.splitlines()[0] == "2 of 4 cells were finished before; 2 to run."
    assert again.err.splitlines()[-1].startswith("[4/4] diversity, seed 1")


def test_the_command_is_kept_so_that_it_can_be_typed_again(nano, tmp_path, no_pages):
    run_cli("audit", nano, "title=Two words", "--out", tmp_path / "out", *IDLE)
    plan = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert plan["command"] == f"farsighted audit {nano} 'title=Two words' --out {tmp_path / 'out'} {' '.join(IDLE)}"


def test_without_out_a_run_goes_to_runs_and_the_name(nano, tmp_path, no_pages, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_cli("audit", nano, *IDLE).out == "runs/nano/scorecard.md\n"


def test_a_folder_below_a_file_ends_with_3_and_says_what_to_do(nano, tmp_path):
    (tmp_path / "file").write_text("")
    said = run_cli("audit", nano, "--out", tmp_path / "file" / "out", *NONE)
    assert said.code == 3
    assert f"'{tmp_path / 'file' / 'out'}' cannot be written" in said.err


@pytest.mark.parametrize("verb", ["audit", "plan"])
def test_fewer_workers_than_0_end_with_2_before_anything_is_done(nano, tmp_path, verb):
    said = run_cli(verb, nano, "--out", tmp_path / "out", "--workers", "-1", *NONE)
    assert said.code == 2
    assert "`--workers` must be at least 0, but is -1" in said.err
    assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_workers_must_be_a_number(nano):
    assert run_cli("audit", nano, "--workers", "many").code == 2


def test_a_failed_cell_ends_with_1_after_the_others(nano, tmp_path, no_pages):
    (tmp_path / "judges_of_audit.py").write_text(
        "from dataclasses import dataclass\nfrom farsighted import Scored\n@dataclass(frozen=True)\n"
        "class Judge(Scored):\n    needs = frozenset({'tokens'})\n"
        "    def score(self, signals, state):\n"
        "        if signals.ids[0].startswith('example-'): return signals['tokens']  # tried before the audit\n"
        "        raise RuntimeError('the judge is out')\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        said = run_cli("audit", nano, "-s", "judges_of_audit:Judge", "--out", tmp_path / "out", *INLINE)
    assert said.code == 1
    assert "[3/3] Judge, seed 0, canonical, 25%, lora: FAILED: RuntimeError: the judge is out (" in said.err
    assert "judges_of_audit.py, line 8)." in said.err
    assert "1 of 3 cells failed, 'Judge, seed 0, canonical, 25%, lora' first" in said.err
    assert "3/3" in said.err
    assert "1 failed" in run_cli("status", tmp_path / "out").out


def test_an_interrupted_audit_ends_with_130(nano, tmp_path, no_pages):
    said = run_cli("audit", nano, "--out", tmp_path / "out", "--executor", "oracles.executors:Interrupted")
    assert said.code == 130
    assert "The same command goes on." in said.err
    assert "farsighted: Stopped." not in said.err


def test_an_executor_that_there_is_not_ends_with_2_and_the_nearest_name(nano, tmp_path):
    said = run_cli("audit", nano, "--out", tmp_path / "out", "--executor", "lcoal")
    assert said.code == 2
    assert "There is no executor 'lcoal'. Did you mean 'local'?" in said.err
    assert not (tmp_path / "out").exists()


def test_trackers_are_named_and_one_that_fails_is_told_in_a_line(nano, tmp_path, no_pages):
    trackers = ("--tracker", "oracles.recorder:Recorder", "--tracker", "oracles.recorder:no_account")
    said = run_cli("audit", nano, "--out", tmp_path / "out", *INLINE, *trackers)
    assert said.code == 0
    assert said.err.splitlines()[0].startswith("Note: The tracker no_account was dropped")
    assert {reading.what for reading in Recorder.made[-1].readings()} >= {"loss", "grad_norm", "score"}


def test_a_tracker_that_there_is_not_ends_with_2_before_anything_is_written(nano, tmp_path):
    said = run_cli("audit", nano, "--out", tmp_path / "out", *NONE, "--tracker", "wandb")
    assert said.code == 2
    assert "There is no tracker 'wandb'." in said.err
    assert not (tmp_path / "out").exists()


def test_the_micro_audit_said_plain_lines_and_printed_its_scorecard(micro):
    assert micro.stdout == "out/scorecard.md\n"
    assert "\x1b" not in micro.stderr
    assert "Broken, seed 0, canonical, 25%, lora: diverged" in micro.stderr
    assert sum(": done" in line and line.startswith("[") for line in micro.stderr.splitlines()) == 9
