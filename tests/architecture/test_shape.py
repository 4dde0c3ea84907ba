"""The shape of the house: no circle, short chains of imports, a test file for every source file."""

import json
from pathlib import Path

from oracles.house import MODULES, SOURCE, circles, import_graph, longest_chain

BEFORE = Path(__file__).with_name("imports_before.json")
"""The import graph of the house before it was parted anew, by `python tests/oracles/house.py src/farsighted`."""
TESTS = SOURCE.parents[1] / "tests"


def test_a_circle_is_seen():
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == ["a", "b", "c"]


def test_no_module_leads_back_to_itself():
    assert circles(import_graph()) == []


def test_the_longest_chain_of_imports_is_shorter_than_before():
    before, now = longest_chain(json.loads(BEFORE.read_text())), longest_chain(import_graph())
    told = [f"{len(chain)} modules: {' > '.join(chain)}" for chain in (before, now)]
    report = f"before, {told[0]}\nnow, {told[1]}"
    print(report)  # noqa: T201 — pytest -s shows both chains
    assert len(now) < len(before), report


def test_nine_source_files_of_ten_have_a_test_file_of_their_name():
    files = [path.relative_to(SOURCE) for path in MODULES.values() if path.name != "__init__.py"]
    bare = [str(file) for file in files if not (TESTS / file.parent / f"test_{file.name}").is_file()]
    assert len(bare) <= 0.1 * len(files), bare
