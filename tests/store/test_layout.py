from pathlib import Path

from farsighted.store.layout import MARKER, Layout

LAYOUT = Layout(Path("runs/demo"))


def test_every_path_lies_in_the_audits_folder_and_no_two_are_the_same():
    fixed = [LAYOUT.audit, LAYOUT.results, LAYOUT.scorecard, LAYOUT.cells, LAYOUT.shared, LAYOUT.logs, LAYOUT.bad_rows]
    paths = [*fixed, LAYOUT.cell("x"), LAYOUT.cell("y"), LAYOUT.checkpoints("x"), LAYOUT.lock("x"), LAYOUT.lock("y")]
    assert all(LAYOUT.root in path.parents for path in paths)
    assert len(set(paths)) == len(paths)


def test_checkpoints_and_locks_are_no_cells():
    assert LAYOUT.cells not in {*LAYOUT.checkpoints("x").parents, *LAYOUT.lock("x").parents}


def test_a_cell_is_finished_when_its_marker_is_there(tmp_path):
    layout = Layout(tmp_path)
    assert not layout.finished("x")
    layout.cell("x").mkdir(parents=True)
    assert not layout.finished("x")
    (layout.cell("x") / MARKER).touch()
    assert layout.finished("x")
