"""Whoever runs selectors knows them by their contract: no name and no class of one stands where cells are run."""

import ast
from pathlib import Path

import pytest

from farsighted.selectors import selector_class, selector_names
from farsighted.signals.table import SIGNALS

SOURCE = Path(__file__).parents[2] / "src" / "farsighted"
RUNNING = [
    SOURCE / "api.py",
    *(path for part in ("protocol", "training", "launch") for path in (SOURCE / part).glob("*.py")),
]
CLASSES = {selector_class(name) for name in selector_names()}
# A signal and a number of every step have the names of families that are named after them.
NAMES = {*selector_names()} - {*SIGNALS} - {"loss"}


def test_the_names_looked_for_are_those_of_selectors():
    assert {"random", "random_matched", "replay", "coverage_floor", "lhas"} <= NAMES
    assert len(RUNNING) > 10


@pytest.mark.parametrize("path", RUNNING, ids=lambda path: path.stem)
def test_no_selector_is_imported_or_named_where_cells_are_run(path):
    tree = ast.parse(path.read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {
        alias.name
        for node in imported
        if (node.module or "").startswith("farsighted.selectors")
        for alias in node.names
    }
    assert not names & {found.__name__ for found in CLASSES}
    assert not {node.module for node in imported} & {found.__module__ for found in CLASSES}
    assert not {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & NAMES
    asked = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr"
    ]
    assert not [ast.unparse(node) for node in asked if "selector" in ast.unparse(node.args[0]).lower()]
