from pathlib import Path

import pytest

from farsighted.core.errors import StorageError
from farsighted.store.layout import MARKER, Layout, user_cache

LAYOUT = Layout(Path("runs/demo"))


def test_every_path_lies_in_the_audits_folder_and_no_two_are_the_same():
    fixed = [LAYOUT.audit, LAYOUT.results, LAYOUT.scorecard, LAYOUT.cells, LAYOUT.shared, LAYOUT.signals, LAYOUT.logs]
    paths = [
        *fixed,
        LAYOUT.bad_rows,
        LAYOUT.cell("x"),
        LAYOUT.cell("y"),
        LAYOUT.checkpoints("x"),
        LAYOUT.claims,
    ]
    assert all(LAYOUT.root in path.parents for path in paths)
    assert len(set(paths)) == len(paths)


def test_checkpoints_and_claims_are_no_cells():
    assert LAYOUT.cells not in {*LAYOUT.checkpoints("x").parents, *LAYOUT.claims.parents, LAYOUT.claims}


def test_a_cell_is_finished_when_its_marker_is_there(tmp_path):
    layout = Layout(tmp_path)
    assert not layout.finished("x")
    layout.cell("x").mkdir(parents=True)
    assert not layout.finished("x")
    (layout.cell("x") / MARKER).touch()
    assert layout.finished("x")


def test_scores_are_kept_where_the_user_says_or_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("FARSIGHTED_CACHE", "~/scores")
    assert user_cache() == tmp_path / "scores"
    monkeypatch.delenv("FARSIGHTED_CACHE")
    assert user_cache() == Path("/caches/farsighted")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert user_cache() == tmp_path / ".cache" / "farsighted"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def homeless(_):
        raise RuntimeError("Could not determine home directory.")

    for name in ("FARSIGHTED_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(homeless))
    with pytest.raises(StorageError, match="Set FARSIGHTED_CACHE"):
        user_cache()
