from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from farsighted.core.errors import SelectorError
from farsighted.protocol.origins import selector_modules
from farsighted.selectors import Scored, build_selector
from oracles.micro import desk_of, nano_config


@dataclass(frozen=True)
class Own(Scored):
    """Somebody's own selector."""

    needs: ClassVar[frozenset[str]] = frozenset({"nll"})

    def score(self, signals, state):
        return signals["nll"]


@pytest.fixture
def cell(tmp_path):
    return next(iter(desk_of(nano_config(tmp_path), tmp_path).cells.values()))


def test_selectors_that_ship_need_no_import(cell):
    assert selector_modules([cell]) == ()


def test_an_own_selector_is_imported_from_where_it_is_written(cell):
    assert selector_modules([cell, replace(cell, selector=Own())]) == (Own.__module__,)


def test_an_own_selector_inside_another_one_is_found(cell):
    outer = build_selector({"name": "lhas", "utility": Own()})
    assert selector_modules([replace(cell, selector=outer)]) == (Own.__module__,)


def test_a_selector_of_the_script_that_is_run_is_refused_with_the_way_out(cell, monkeypatch):
    monkeypatch.setattr(Own, "__module__", "__main__")
    monkeypatch.setattr(Own, "name", "own")
    with pytest.raises(SelectorError, match=r"Selector 'own' must stand in a module.*Move its class into a file"):
        selector_modules([replace(cell, selector=Own())])
