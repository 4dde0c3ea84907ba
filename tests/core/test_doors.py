import importlib.metadata

import pytest

from farsighted.core.doors import Door
from farsighted.core.errors import ConfigError

DOOR = Door("farsighted.test_things", "Thing", ConfigError)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a module of the user's own, as the current one."""
    (tmp_path / "own_things.py").write_text("def made():\n    return 1\n")
    (tmp_path / "broken_things.py").write_text("raise ValueError('no luck')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def offer(monkeypatch, **points):
    made = importlib.metadata.EntryPoints(
        importlib.metadata.EntryPoint(name, value, DOOR.group) for name, value in points.items()
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **asked: made.select(**asked))


def test_a_thing_is_found_by_the_path_of_its_module(here):
    assert DOOR.from_module("own_things:made")() == 1


def test_a_thing_of_an_installed_package_is_found_by_its_name(here, monkeypatch):
    offer(monkeypatch, made="own_things:made")
    assert list(DOOR.installed()) == ["made"]
    assert DOOR.from_package("made")() == 1


def test_what_is_offered_to_another_group_is_not_offered_here(monkeypatch):
    offer(monkeypatch, made="own_things:made")
    assert Door("farsighted.others", "Other", ConfigError).installed() == {}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own_things:maed", r"Thing 'own_things:maed' cannot be loaded.*has no 'maed'\. Did you mean 'made'"),
        ("broken_things:made", r"importing `broken_things` failed with ValueError: no luck"),
        ("no_such_module:made", r"importing `no_such_module` failed with ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_reason(here, path, said):
    with pytest.raises(ConfigError, match=said):
        DOOR.from_module(path)


def test_a_package_that_fails_to_load_is_named(here, monkeypatch):
    offer(monkeypatch, made="broken_things:made")
    with pytest.raises(ConfigError, match=r"Thing 'made' is offered by an installed package.*Repair or remove"):
        DOOR.from_package("made")


def test_built_in_goes_before_installed_and_a_path_is_found_too(here, monkeypatch):
    offer(monkeypatch, made="own_things:made", other="own_things:made")
    assert DOOR.find("made", {"made": len}) is len
    assert DOOR.find("other", {})() == DOOR.find("own_things:made", {})() == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mdae", r"There is no thing 'mdae'\. Did you mean 'made'"),
        ("own_things:__name__", r"Thing 'own_things:__name__' cannot be used: what it names is 'own_things'"),
    ],
)
def test_a_name_that_stands_for_nothing_that_fits_is_refused(here, name, said):
    with pytest.raises(ConfigError, match=said):
        DOOR.find(name, {"made": len})
