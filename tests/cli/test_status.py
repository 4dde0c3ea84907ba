import json
import re

import pytest

from farsighted.store.layout import Layout
from oracles.cli import run_cli
from oracles.fabricated_cells import make_audit, make_cell, save_audit, wanted


@pytest.fixture
def folder(tmp_path):
    """One cell each that is done, diverged, failed, interrupted and missing."""
    done, diverged = make_cell("random", 0, wanted()), make_cell("loss", 0, wanted(), status="diverged")
    others = [make_cell(name, 0, wanted()) for name in ("lhas", "quality", "[own]")]
    plan = make_audit([done, diverged], others) | {"failures": {others[0].meta["id"]: "RuntimeError: boom."}}
    save_audit(tmp_path, [done, diverged], plan)
    checkpoint = Layout(tmp_path).checkpoints(others[1].meta["id"]) / "0002-000001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "DONE.json").write_text("{}")
    return tmp_path


def test_status_tells_how_far_each_cell_is(folder):
    said = run_cli("status", folder)
    assert (said.code, said.err) == (0, "")
    lines = [re.split(r"\s*│\s*", line.strip("│ ")) for line in said.out.splitlines() if line.startswith("│")]
    assert {line[1]: line[-1] for line in lines} == {
        "random": "done",
        "loss": "diverged",
        "lhas": "failed",
        "quality": "interrupted after 2 stages",
        "[own]": "missing",
    }


def test_status_counts(folder):
    last = run_cli("status", folder).out.splitlines()[-1]
    assert last == "1 diverged, 1 done, 1 failed, 1 interrupted after 2 stages, 1 missing"


def test_a_folder_without_an_audit_is_refused(tmp_path):
    said = run_cli("status", tmp_path)
    assert said.code == 3
    assert f"'{tmp_path / 'audit.json'}' cannot be read" in said.err
    assert "name the folder that an audit wrote" in said.err


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_plan_is_refused(tmp_path, text):
    (tmp_path / "audit.json").write_text(text)
    said = run_cli("status", tmp_path)
    assert said.code == 3
    assert "audit.json" in said.err


def test_the_micro_audit_is_done_but_for_what_diverged(micro):
    assert run_cli("status", micro.out).out.splitlines()[-1] == "1 diverged, 9 done"
    assert len(json.loads(micro.layout.audit.read_text())["cells"]) == 10
