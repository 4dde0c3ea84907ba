import contextlib
import json
import os
import re

import pytest

from farsighted.store.claims import Claims
from farsighted.store.layout import MARKER, Layout
from farsighted.store.status import cell_holders, cell_statuses
from oracles.whole_records import cell_record, plan_record


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def status(layout, **plan):
    return cell_statuses(layout, plan_record([{"id": "x"}], **plan))["x"]


def finish(folder, **meta):
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(cell_record(**meta)))
    (folder / MARKER).touch()


def test_a_cell_that_left_nothing_is_missing(layout):
    assert status(layout) == "missing"


@pytest.mark.parametrize("outcome", ["done", "diverged"])
def test_a_finished_cell_says_itself_how_it_ended_whatever_failed_before(layout, outcome):
    finish(layout.cell("x"), status=outcome)
    assert status(layout, failures={"x": "out of memory"}) == outcome


def test_a_cell_without_its_marker_is_not_done(layout):
    finish(layout.cell("x"), status="done")
    (layout.cell("x") / MARKER).unlink()
    assert status(layout) == "missing"


def test_a_cell_that_ended_with_an_error_failed(layout):
    assert status(layout, failures={"x": "out of memory"}) == "failed"


def test_an_interrupted_cell_tells_the_stages_of_its_newest_complete_checkpoint(layout):
    for position in ("0002-000000", "0010-000003"):
        finish(layout.checkpoints("x") / position)
    (layout.checkpoints("x") / "0011-000000").mkdir()
    finish(layout.checkpoints("x") / ".0012-000000.tmp")
    assert status(layout) == "interrupted after 10 stages"


@pytest.mark.parametrize("stages", [0, 2])
def test_a_cell_that_a_process_works_on_is_running_until_it_lets_go(layout, stages):
    if stages:
        finish(layout.checkpoints("x") / f"{stages:04d}-000000")
    with contextlib.suppress(InterruptedError), Claims(layout.claims).take("x"):
        assert status(layout, failures={"x": "an earlier try"}) == f"running, {stages} stages done"
        raise InterruptedError
    assert status(layout) == ("interrupted after 2 stages" if stages else "missing")


def test_who_works_on_a_cell_is_said_while_it_is_heard_of(layout):
    plan = plan_record([{"id": "x"}, {"id": "y"}])
    claims = Claims(layout.claims)
    claims.take("x")
    (file,) = layout.claims.glob("x/*/*")
    os.utime(file, (file.stat().st_mtime - 7,) * 2)
    (said,) = cell_holders(layout, plan).items()
    assert said[0] == "x"
    assert re.fullmatch(rf"process {os.getpid()} on .+, heard of \d+ s ago", said[1])
    os.utime(file, (0, 0))
    assert cell_holders(layout, plan) == {}
    assert status(layout) == "missing"


def test_looking_leaves_nothing_behind(layout):
    status(layout)
    assert list(layout.root.iterdir()) == []


def test_every_planned_cell_has_a_status_and_no_other(layout):
    finish(layout.cell("stranger"), status="done")
    assert list(cell_statuses(layout, plan_record([{"id": "b"}, {"id": "a"}]))) == ["b", "a"]
