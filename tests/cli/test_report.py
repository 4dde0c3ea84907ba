import json
import shutil

import pytest

from farsighted.store.layout import MARKER, Layout
from oracles.cli import run_cli
from oracles.fabricated_cells import make_audit, save_audit, three_selectors


@pytest.fixture
def folder(tmp_path):
    cells = three_selectors()
    save_audit(tmp_path, cells, make_audit(cells))
    return tmp_path


def test_a_report_is_written_again_and_its_scorecard_named(folder):
    said = run_cli("report", folder)
    assert said.code == 0
    assert said.out == f"{folder / 'scorecard.md'}\n"
    assert json.loads((folder / "results.json").read_text())["title"] == "Fabricated audit"


def test_a_folder_without_an_audit_is_refused(tmp_path):
    said = run_cli("report", tmp_path)
    assert said.code == 3
    assert "audit.json" in said.err


def test_a_damaged_cell_is_refused_by_name_with_the_way_out(folder):
    cell = next(Layout(folder).cells.iterdir())
    with (cell / "scores.parquet").open("ab") as file:
        file.write(b"x")
    said = run_cli("report", folder)
    assert said.code == 3
    assert f"{cell / 'scores.parquet'}" in said.err
    assert "Delete the folder" in said.err


def test_an_unfinished_cell_is_reported_as_missing(folder):
    cell = next(Layout(folder).cells.iterdir())
    shutil.rmtree(cell)
    assert run_cli("report", folder).code == 0
    status = {one["id"]: one["status"] for one in json.loads((folder / "results.json").read_text())["cells"]}
    assert status.pop(cell.name) == "missing"
    assert set(status.values()) == {"done"}
    assert not (cell / MARKER).exists()
