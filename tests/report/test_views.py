import pytest

from farsighted.core.errors import ConfigError
from farsighted.report.views import ARTIFACTS, VIEWS, asked_views, checked_files
from farsighted.store.layout import Layout
from oracles.offered import offer_views


def test_all_views_are_those_that_ship_and_then_those_of_installed_packages(monkeypatch, tmp_path):
    offer_views(monkeypatch, tmp_path, zebra="a:b", ape="a:b")
    assert list(asked_views(None)) == ["scores", "selections", "tables", "scorecard", "figures", "ape", "zebra"]


def test_views_come_in_the_order_in_which_they_are_asked_for():
    assert asked_views(["figures", "tables"]) == {"figures": VIEWS["figures"], "tables": VIEWS["tables"]}


def test_a_shipping_name_goes_before_an_installed_one(monkeypatch, tmp_path):
    offer_views(monkeypatch, tmp_path, tables="a:b")
    assert asked_views(None) == VIEWS


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no_such_module:view", "View 'no_such_module:view' cannot be loaded"),
        ("farsighted.report.views:ARTIFACTS", "cannot be used: what it names is frozenset"),
    ],
)
def test_what_is_no_view_is_refused(path, said):
    with pytest.raises(ConfigError, match=said):
        asked_views([path])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a"], "must return a mapping of paths to bytes, but returns list"),
        ({"a": "text"}, "maps str to str"),
        ({"/tmp/a": b""}, "must write below the audit's folder, but names '/tmp/a'"),
        ({"../a": b""}, "must write below the audit's folder"),
        ({"": b""}, "must write below the audit's folder"),
        ({"results.json": b""}, "must leave what the audit has measured alone"),
        ({"cells/x/cell.json": b""}, "must leave what the audit has measured alone"),
        ({"tables/a.csv": b""}, "'tables/a.csv' meets 'tables/a.csv' of the view 'tables'"),
        ({"./tables//a.csv": b""}, "meets 'tables/a.csv' of the view 'tables'"),
        ({"tables": b""}, "'tables' meets 'tables/a.csv' of the view 'tables'"),
        ({"tables/a.csv/b": b""}, "meets 'tables/a.csv' of the view 'tables'"),
        ({"mine": b"", "mine/b": b""}, "must name files, but 'mine' is the folder of another one"),
    ],
)
def test_files_that_may_not_be_written_are_refused(files, said):
    with pytest.raises(ConfigError, match=said):
        checked_files(files, {"tables/a.csv": "tables"})


def test_files_below_the_folder_may_be_written():
    files = {"mine/a.csv": b"1", "tables/mine.csv": b""}
    assert checked_files(files, {"tables/a.csv": "tables"}) == files


def test_nothing_that_a_run_writes_may_be_written_by_a_view(tmp_path):
    layout = Layout(tmp_path)
    made = [getattr(layout, name) for name, value in vars(Layout).items() if isinstance(value, property)]
    written = {path.relative_to(tmp_path).parts[0] for path in (*made, layout.checkpoints("a"))}
    assert written - {"scorecard.md"} <= ARTIFACTS
