import json
import shutil

import pytest

from farsighted.report.views import VIEWS
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


def test_named_views_are_written_alone_and_their_files_named(folder):
    said = run_cli("report", folder, "--view", "scorecard", "--view", "scores")
    assert said.code == 0
    assert said.out == f"{folder / 'scorecard.md'}\n{folder / 'scores.parquet'}\n"
    assert (folder / "results.json").exists()
    assert not (folder / "tables").exists()


def test_a_view_that_fails_leaves_the_others_and_ends_with_a_sentence(folder, monkeypatch):
    monkeypatch.setitem(VIEWS, "figures", lambda seen: 1 / 0)
    said = run_cli("report", folder)
    assert said.code == 1
    assert said.out == f"{folder / 'scorecard.md'}\n"
    assert "View 'figures' failed at " in said.err
    assert f"ZeroDivisionError: division by zero. All else is written to {folder};" in said.err
    assert (folder / "scorecard.md").exists()


def test_an_unknown_view_is_wrong_use(folder):
    said = run_cli("report", folder, "--view", "scorecrad")
    assert said.code == 2
    assert "There is no view 'scorecrad'. Did you mean 'scorecard'?" in said.err
