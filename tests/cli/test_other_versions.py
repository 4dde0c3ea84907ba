"""A folder of another version of farsighted is refused by every verb that reads or resumes it."""

import json

import pytest

from farsighted.store import atomic
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from oracles.cli import run_cli
from oracles.fabricated_cells import make_audit, save_audit, three_selectors


@pytest.fixture
def folder(tmp_path):
    cells = three_selectors(seeds=(0,))
    save_audit(tmp_path, cells, make_audit(cells))
    return tmp_path


def refused(said, path):
    assert said.code == 3
    assert said.out == ""
    assert said.err.count(f"'{path}' must have `schema` 1, but has 99, of a newer version: update farsighted") == 1


@pytest.mark.parametrize("verb", [("status",), ("report",), ("advise",), ("audit", "quadratic", "--out")])
def test_a_plan_of_a_newer_schema_is_refused_and_left_as_it_is(folder, verb):
    text = json.dumps(read_plan(Layout(folder)) | {"schema": 99, "farsighted": "9.9"})
    Layout(folder).audit.write_text(text)
    refused(run_cli(*verb, folder), Layout(folder).audit)
    assert Layout(folder).audit.read_text() == text


def test_reproduction_does_not_go_on_in_a_folder_of_a_newer_schema(tmp_path):
    Layout(tmp_path).audit.write_text('{"schema": 99}')
    refused(run_cli("reproduce", "table1", "--world", "quadratic", "--out", tmp_path), Layout(tmp_path).audit)


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_cell_of_a_newer_schema_is_refused(folder, verb):
    cell = next(Layout(folder).cells.iterdir())
    files = atomic.read_folder(cell)
    meta = json.loads(files["cell.json"]) | {"schema": 99}
    atomic.write_folder(cell, files | {"cell.json": json.dumps(meta).encode()})
    refused(run_cli(verb, folder), cell / "cell.json")


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_plan_with_a_key_of_another_kind_is_refused(folder, verb):
    plan = read_plan(Layout(folder))
    plan["cells"][1]["seed"] = "one"
    Layout(folder).audit.write_text(json.dumps(plan))
    said = run_cli(verb, folder)
    assert said.code == 3
    assert 'must hold a whole number under `cells[1].seed`, but holds "one"' in " ".join(said.err.split())
