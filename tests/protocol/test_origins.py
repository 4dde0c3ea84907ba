from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from farsighted.core.errors import SelectorError
from farsighted.protocol.origins import own_selectors, selector_modules, unfollowed_notes
from farsighted.selectors import Scored, build_selector
from farsighted.signals import registry
from farsighted.signals.registry import signal_named
from oracles import own_signals
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


SIGNAL = """
from dataclasses import dataclass
from farsighted import Scored, register_signal

def spelled_{name}(seen):
    "A signal of somebody's own."
    return __import__(seen.examples[0].source).of(seen)

register_signal("spelled_{name}", ("N",), "text", (), spelled_{name})

@dataclass(frozen=True)
class Spelled(Scored):
    needs = frozenset({{"spelled_{name}"}})
    def score(self, signals, state):
        return signals["spelled_{name}"]
"""


def test_own_selectors_are_those_that_are_own_or_hold_one(cell):
    wrapped = build_selector({"name": "replay", "selector": Own()})
    cells = [cell, *(replace(cell, label=str(one), selector=one) for one in (Own(), wrapped, build_selector("lhas")))]
    assert own_selectors([*cells, *cells]) == (Own(), wrapped)


def test_what_cannot_be_followed_is_noted_of_selectors_and_of_the_signals_that_they_read(cell, tmp_path, monkeypatch):
    name = tmp_path.name
    (tmp_path / f"spelling_{name}.py").write_text(SIGNAL.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    own = replace(cell, label="own", selector=build_selector(f"spelling_{name}:Spelled"))
    (note,) = unfollowed_notes([cell, own, own])
    assert f"spelling_{name}.py, line 7: what `__import__` loads" in note
    assert unfollowed_notes([cell]) == ()
    signal_only = type("Reading", (Own,), {"needs": own.selector.needs})
    assert len(unfollowed_notes([replace(cell, label="signal", selector=signal_only())])) == 1
    del registry._TABLE[f"spelled_{name}"]


def test_the_module_of_a_signal_that_a_selector_reads_is_imported_too(cell, tmp_path, monkeypatch):
    name = written(tmp_path, monkeypatch, "plain_signal", "np.ones(len(seen))")
    assert selector_modules([replace(cell, selector=own_signals.Reads(name))]) == (
        "oracles.own_signals",
        "plain_signal",
    )


def test_a_signal_of_the_script_that_is_run_is_refused_with_the_way_out(cell, monkeypatch):
    monkeypatch.setattr(own_signals.surprise, "__module__", "__main__")
    with pytest.raises(SelectorError, match=r"Signal 'surprise' must stand in a module.*Move its provider into a file"):
        selector_modules([replace(cell, selector=own_signals.Reads("surprise"))])


def written(folder, monkeypatch, module, expression):
    """Register a signal of the module's name, from a file."""
    (folder / f"{module}.py").write_text(
        "import numpy as np\n"
        "from farsighted import register_signal\n"
        f"def {module}(seen):\n"
        "    'A signal from a file.'\n"
        f"    return {expression}\n"
        f"register_signal('{module}', ('N',), 'text', (), {module})\n"
    )
    monkeypatch.syspath_prepend(folder)
    signal_named(f"{module}:{module}")
    return module
