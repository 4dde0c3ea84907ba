import json
import sys

import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import ConfigError, StorageError
from farsighted.report.views import VIEWS
from farsighted.report.write import ViewsFailedError, write_results
from farsighted.results.build import to_json
from oracles.fabricated_cells import make_audit, make_cell, results_of, save_audit, three_selectors, wanted
from oracles.offered import offer_views

TOP = ["schema", "farsighted", "title", "config", "command", "environment", "reference", "references", "statistics"]


def test_results_have_every_part_and_no_nan():
    cells = three_selectors()
    results = results_of(cells, make_audit(cells))
    assert list(results) == [*TOP, "sets", "cells", "summary", "myopia", "overlap", "notes"]
    assert "NaN" not in to_json(results)
    assert json.loads(to_json(results)) == results


def test_the_same_cells_give_the_same_bytes_in_whatever_order_they_come():
    cells = three_selectors()
    audit = make_audit(cells)
    assert to_json(results_of(cells, audit)) == to_json(results_of(cells[::-1], audit))


def test_cells_stand_in_the_order_of_the_plan_and_absent_ones_are_missing():
    cells, absent = three_selectors(), make_cell("loss", 7, wanted())
    results = results_of(cells, make_audit([absent, *cells]))
    assert [cell["status"] for cell in results["cells"]] == ["missing"] + ["done"] * 8
    assert results["cells"][0]["seed"] == 7
    assert "Run the same command again" in results["cells"][0]["reason"]


def test_a_cell_that_was_given_up_says_why():
    cells, absent = three_selectors(), make_cell("loss", 7, wanted())
    audit = {**make_audit([*cells, absent]), "failures": {absent.meta["id"]: "The worker was killed."}}
    assert results_of(cells, audit)["cells"][-1]["reason"] == "The worker was killed."


def test_cells_of_another_plan_are_left_out_with_a_note():
    cells = three_selectors()
    results = results_of(cells, make_audit(cells[:4]))
    assert len(results["cells"]) == 4
    assert any("4 finished cells of another plan" in note for note in results["notes"])


def test_groups_are_measured_apart():
    small = [make_cell("random", 0, wanted(gain=10), budget="10%"), make_cell("loss", 0, wanted(gain=5), budget="10%")]
    large = [make_cell("random", 0, wanted(gain=40)), make_cell("loss", 0, wanted(gain=45))]
    results = results_of([*small, *large], make_audit([*small, *large]))
    current = {(e["selector"], e["budget"]): e["metrics"]["current"]["mean"] for e in results["summary"]}
    assert current == pytest.approx(
        {("random", "10%"): 30, ("loss", "10%"): 25, ("random", "25%"): 60, ("loss", "25%"): 65}
    )
    assert [gap["budget"] for gap in results["myopia"]] == ["10%", "25%"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with one cell unfinished and a selector whose score has a component, after its report."""
    root, cells = tmp_path_factory.mktemp("audit"), three_selectors(seeds=(0,))
    loss = cells[1]
    component = loss.selections.append_column("component_loss", [[0.5] * len(loss.selections)])
    cells[1] = type(loss)(loss.meta, loss.scores, component)
    save_audit(root, cells[:-1], make_audit(cells))
    return cells, write_results(root)


def test_a_folder_is_read_and_every_page_written(written):
    cells, paths = written
    results = json.loads(to_json(results_of(cells[:-1], make_audit(cells))))
    assert json.loads(paths.results.read_text()) == results
    assert paths.scorecard.read_text().startswith("# Fabricated audit")
    names = {path.name for files in paths.files.values() for path in files}
    assert {"main_canonical_25pct_lora.csv", "main_canonical_25pct_lora.md", "main_canonical_25pct_lora.tex"} <= names
    assert {"figure2_canonical_25pct_lora.svg", "figure2_canonical_25pct_lora.png"} <= names
    assert all(path.stat().st_size > 0 for files in paths.files.values() for path in files)
    assert paths.failures == ()


def test_joined_tables_carry_the_cell_in_front_and_keep_every_row(written):
    cells, paths = written
    selections, scores = (pq.read_table(paths.root / f"{name}.parquet") for name in ("selections", "scores"))
    assert selections.column_names[:7] == ["cell", "selector", "seed", "order", "budget", "adaptation", "stage"]
    assert len(selections) == sum(len(cell.selections) for cell in cells[:-1])
    assert len(scores) == sum(len(cell.scores) for cell in cells[:-1])
    rows = {(row["selector"], row["component_loss"]) for row in selections.to_pylist()}
    assert rows == {("random", None), ("loss", 0.5), ("lhas", None)}


def test_a_second_report_writes_the_same_bytes(written):
    root = written[1].results.parent
    once = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    write_results(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == once


def test_a_plan_without_any_finished_cell_still_gets_its_pages(tmp_path):
    planned = three_selectors()
    save_audit(tmp_path, [], make_audit(planned))
    paths = write_results(tmp_path)
    assert {cell["status"] for cell in json.loads(paths.results.read_text())["cells"]} == {"missing"}
    assert len(pq.read_table(tmp_path / "scores.parquet")) == 0
    assert "No seed has finished for both this selector and 'random'." in paths.scorecard.read_text()


def test_a_folder_without_a_plan_is_refused_with_the_next_step(tmp_path):
    with pytest.raises(StorageError, match=r"audit\.json.*name the folder that an audit wrote"):
        write_results(tmp_path)


def test_a_finished_cell_goes_by_the_names_that_the_plan_has_for_it(tmp_path):
    """A label, the name of an order and being a reference may change between two runs; the cell stays the same."""
    cells = three_selectors()
    audit = make_audit(cells)
    for cell in audit["cells"]:
        cell["order"] = "general>math>code"
        if cell["selector"] == "lhas":
            cell["selector"] = "ours"
    save_audit(tmp_path, cells, audit)
    paths = write_results(tmp_path)
    results = json.loads(paths.results.read_text())
    rows = {row["selector"]: row for row in results["summary"]}
    assert rows.keys() == {"random", "loss", "ours", "random_matched"}
    assert rows["ours"]["order"] == "general>math>code"
    assert rows["ours"]["metrics"]["current"]["n"] == 2
    assert "ours" in results["myopia"][0]["selectors"]
    assert set(pq.read_table(tmp_path / "scores.parquet")["selector"].to_pylist()) == rows.keys()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of an audit, and the current one, with a module of views of one's own in it."""
    cells = three_selectors()
    save_audit(tmp_path, cells, make_audit(cells))
    (tmp_path / "own_views.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_views", raising=False)
    return tmp_path


OWN = """
def titled(seen):
    return {"own/title.txt": f"{seen.results['title']}: {len(seen.cells)} cells".encode()}


def broken(seen):
    raise ValueError("no luck.")


def greedy(seen):
    return {"scorecard.md": b"mine"}
"""


def test_a_view_of_ones_own_writes_its_file_and_the_numbers_come_with_it(folder):
    paths = write_results(folder, ["own_views:titled"])
    assert paths.files == {"own_views:titled": (folder / "own" / "title.txt",)}
    assert (folder / "own" / "title.txt").read_text() == "Fabricated audit: 8 cells"
    assert json.loads(paths.results.read_text())["title"] == "Fabricated audit"
    assert not paths.scorecard.exists()


def test_a_view_that_fails_is_told_with_file_and_line_and_costs_no_other(folder, monkeypatch):
    points = {"aaa": "own_views:broken", "zzz": "own_views:titled", "gone": "no_such_module:view"}
    offer_views(monkeypatch, folder, **points)
    paths = write_results(folder)
    assert list(paths.files) == [*VIEWS, "zzz"]
    assert (folder / "own" / "title.txt").exists()
    broken, gone = paths.failures
    assert broken == f"View 'aaa' failed at {folder / 'own_views.py'}:7 with ValueError: no luck."
    assert gone.startswith("View 'gone' failed: View 'gone' is offered by an installed package as no_such_module:view")
    with pytest.raises(ViewsFailedError, match=rf"All else is written to {folder}"):
        paths.check()


def test_numbers_are_written_before_pictures(folder, monkeypatch):
    def figures(seen):
        assert json.loads((folder / "results.json").read_text())["title"] == "Fabricated audit"
        assert all((folder / name).exists() for name in ("scores.parquet", "selections.parquet", "tables"))
        raise RuntimeError("no fonts")

    monkeypatch.setitem(VIEWS, "figures", figures)
    paths = write_results(folder)
    assert [failure.split(" with ")[1] for failure in paths.failures] == ["RuntimeError: no fonts."]
    assert paths.scorecard.exists()


def test_a_view_may_not_write_the_files_of_another(folder, monkeypatch):
    offer_views(monkeypatch, folder, mine="own_views:greedy")
    paths = write_results(folder)
    assert paths.failures == (
        "View 'mine' failed: It must write files of its own, but 'scorecard.md' meets 'scorecard.md' of the view "
        "'scorecard'.",
    )
    assert paths.scorecard.read_text().startswith("# Fabricated audit")


def test_an_unknown_view_is_refused_before_anything_is_written(folder):
    with pytest.raises(ConfigError, match=r"There is no view 'figure'\. Did you mean 'figures'"):
        write_results(folder, ["figure"])
    assert not (folder / "results.json").exists()
