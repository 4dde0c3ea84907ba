import shutil

from farsighted.paper.reproduce import merged, run_target
from farsighted.store.layout import Layout
from farsighted.store.reader import read_plan
from oracles.small_reproduction import SMALL, WORLD, watch


def test_the_plan_names_the_cells_of_all_parts_once(reproduced):
    cells = read_plan(Layout(reproduced))["cells"]
    # Main: two seeds; two more budgets, full training and three more orders: one seed each; seven selectors.
    assert len(cells) == 7 * (2 + 2 + 1 + 3)
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(Layout(reproduced).finished(cell["id"]) for cell in cells)


def test_another_target_in_the_same_folder_runs_nothing_that_is_there(reproduced, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(reproduced, copied)
    before = {path: path.stat().st_mtime_ns for path in (copied / "cells").rglob("*")}
    run_target("table3", WORLD, copied, 1, watch, SMALL)
    assert {path: path.stat().st_mtime_ns for path in (copied / "cells").rglob("*")} == before
    assert len(read_plan(Layout(copied))["cells"]) == 7 * (2 + 2)


def test_plans_are_merged_without_losing_notes_or_failures():
    one = {"title": "t", "cells": [{"id": "a"}], "notes": ["n"], "failures": {"a": "why"}}
    two = {"title": "u", "cells": [{"id": "a"}, {"id": "b"}], "notes": ["n", "m"], "failures": {}}
    assert merged([one, two]) == {
        "title": "t",
        "cells": [{"id": "a"}, {"id": "b"}],
        "notes": ["n", "m"],
        "failures": {"a": "why"},
    }
