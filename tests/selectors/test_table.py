import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import (
    Gradient,
    Loss,
    Scored,
    build_selector,
    parameters_of,
    rank_checked,
    register,
    selector_class,
    selector_names,
    table,
)
from oracles.selector_loops import signals_of

SHORTEST = '''
from dataclasses import dataclass
from farsighted.selectors import Scored, register

@register("shortest_of_all")
@dataclass(frozen=True)
class Shortest(Scored):
    """Prefer short responses."""
    needs = frozenset({"tokens"})
    def score(self, signals, state): return -signals["tokens"]

@dataclass(frozen=True)
class Unregistered(Shortest):
    """Not in the table."""

@dataclass
class Thawed(Scored):
    needs = frozenset()
    def score(self, signals, state): return signals["nll"]

NUMBER = 3
'''


@pytest.fixture(autouse=True)
def own_table(monkeypatch):
    """Let every test have a table of its own, and no trace of what it imported."""
    monkeypatch.setattr(table, "_TABLE", dict(table._TABLE))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("my_selectors", "broken", "half"):
        sys.modules.pop(name, None)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder that holds a module of selectors and is not on the path."""
    tmp_path.joinpath("my_selectors.py").write_text(SHORTEST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_paper_s_seven_families_are_registered():
    ours = [name for name in selector_names() if selector_class(name).__module__.startswith("farsighted.")]
    families = {build_selector(name).family for name in ours}
    assert families - {"own"} == {"random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas"}


def test_ten_lines_make_a_selector():
    @register("shortest")
    @dataclass(frozen=True)
    class Shortest(Scored):
        """Prefer short responses."""

        needs = frozenset({"tokens"})

        def score(self, signals, state):
            return -signals["tokens"]

    selector = build_selector("shortest")
    ranking = rank_checked(selector, signals_of(tokens=[5, 2, 9]), selector.init(), np.random.default_rng(0))
    assert ranking.order.tolist() == [1, 0, 2]
    assert (selector.name, selector.family, selector.version) == ("shortest", "own", 1)


def test_parameters_are_keywords():
    assert build_selector({"name": "gradient", "score": "similarity", "signal": "head"}) == Gradient(
        "similarity", "head"
    )


def test_a_selector_is_passed_through():
    loss = Loss()
    assert build_selector(loss) is loss


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("los", r"There is no selector 'los'\. Did you mean 'loss'\?"),
        ("zzzz", r"There is no selector 'zzzz'\. Known: .*lhas.*package\.module:Name"),
        ({"name": "lhas", "lamda": 1}, r"no parameter `lamda` of selector 'lhas'\. Did you mean 'lambda_'\?"),
        ({"name": "loss", "beta": 1}, r"no parameter `beta` of selector 'loss'\. It takes no parameters"),
        ({"name": "lhas", "utility": "quallity"}, r"Did you mean 'quality'\?"),
        ({"score": "norm"}, r"must hold `name`"),
        (3, r"must be a name, a mapping with `name`, or an instance of a selector, but is 3"),
        (Loss, r"must be a name, a mapping with `name`, or an instance of a selector"),
    ],
)
def test_what_is_unknown_is_answered_with_the_nearest_name(spec, sentence):
    with pytest.raises(SelectorError, match=sentence):
        build_selector(spec)


def test_a_module_of_the_current_folder_is_found(here):
    selector = build_selector("my_selectors:Shortest")
    assert selector.name == "shortest_of_all"
    assert build_selector("shortest_of_all") == selector


def test_an_unregistered_class_is_named_by_its_path_and_not_by_its_base(here):
    assert build_selector("my_selectors:Unregistered").name == "my_selectors:Unregistered"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("no_such_module:Shortest", "importing `no_such_module` failed with ModuleNotFoundError: No module named"),
        ("broken:Shortest", "importing `broken` failed with ZeroDivisionError: division by zero"),
        (":Shortest", "importing `` failed with ValueError"),
        ("my_selectors:Shorter", r"has no 'Shorter'\. Did you mean 'Shortest'\?"),
        ("my_selectors:NUMBER", "cannot be used: what it names is 3"),
        ("my_selectors:Thawed", r"must be a frozen dataclass\. Write @dataclass\(frozen=True\)"),
        ("json:JSONDecoder", r"has no needs, init, rank, observe\. Inherit from `farsighted\.selectors\.Scored`"),
    ],
)
def test_what_cannot_be_loaded_is_said(here, path, sentence):
    here.joinpath("broken.py").write_text("1 / 0")
    with pytest.raises(SelectorError, match=sentence):
        build_selector(path)


def test_an_import_failure_names_the_current_folder(here):
    with pytest.raises(SelectorError) as caught:
        build_selector("no_such_module:Shortest")
    assert f"must be importable from the current folder ({Path.cwd()})" in str(caught.value)


def test_a_class_that_cannot_be_made_is_translated(here):
    text = "@dataclass(frozen=True)\nclass Half(Scored):\n    needs = frozenset()\n"
    here.joinpath("half.py").write_text(SHORTEST.replace("shortest_of_all", "half_of_all") + text)
    with pytest.raises(SelectorError, match=r"'half:Half' cannot be built: .*abstract.*score"):
        build_selector("half:Half")


def entry_points(monkeypatch, **points):
    group = table.DOOR.group
    made = importlib.metadata.EntryPoints(importlib.metadata.EntryPoint(n, v, group) for n, v in points.items())
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **asked: made.select(**asked))


def test_an_installed_package_offers_selectors_by_entry_point(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    entry_points(monkeypatch, brief="my_selectors:Unregistered")
    assert build_selector("brief").name == "brief"
    assert "brief" in selector_names()
    with pytest.raises(SelectorError, match="Did you mean 'brief'"):
        build_selector("breif")


def test_a_shipping_name_goes_before_an_entry_point(here, monkeypatch):
    entry_points(monkeypatch, loss="my_selectors:Unregistered")
    assert build_selector("loss") == Loss()


def test_an_entry_point_that_fails_to_load_is_named(monkeypatch):
    entry_points(monkeypatch, brief="no_such_package:Thing")
    with pytest.raises(SelectorError, match="offered by an installed package as no_such_package:Thing, but loading it"):
        build_selector("brief")


def test_a_name_belongs_to_one_class():
    with pytest.raises(SelectorError, match=r"selector 'loss' already \(farsighted\.selectors\.loss:Loss\)"):
        register("loss")(type("Other", (Scored,), {}))
    with pytest.raises(SelectorError, match="must be a word without ':'"):
        register("a:b")


def test_running_a_definition_again_replaces_it(here):
    first = build_selector("my_selectors:Shortest")
    del sys.modules["my_selectors"]
    second = build_selector("my_selectors:Shortest")
    assert type(first) is not type(second)
    assert type(build_selector("shortest_of_all")) is type(second)


def test_a_selector_of_selectors_builds_the_one_inside():
    @register("wrapped")
    @dataclass(frozen=True)
    class Wrapped(Scored):
        inside: object
        needs = frozenset()

        def score(self, signals, state):
            return np.zeros(len(signals))

    Wrapped.__annotations__["inside"] = table.Selector
    assert build_selector({"name": "wrapped", "inside": {"name": "gradient"}}).inside == Gradient()
    with pytest.raises(SelectorError, match="`inside` of selector 'wrapped' must be given: a selector"):
        build_selector("wrapped")


def test_a_class_found_by_its_path_goes_by_that_path_unless_it_is_registered():
    """So that what is written of a selector inside another one leads back to it."""
    spec = {"name": "replay", "selector": "oracles.weighted:Weighing"}
    written = parameters_of(build_selector(spec))
    assert written["selector"]["name"] == "oracles.weighted:Weighing"
    assert parameters_of(build_selector({"name": "replay", **written})) == written
    assert build_selector("farsighted.selectors.loss:Loss").name == "loss"


def test_a_preset_that_there_is_not_is_refused_with_what_there_is():
    with pytest.raises(
        SelectorError, match=r"no preset 'near_publish' of selector 'utility_diversity'\. .*near_published"
    ):
        build_selector({"name": "utility_diversity", "preset": "near_publish"})
    with pytest.raises(SelectorError, match=r"no preset 'x' of selector 'loss'\. It has none\."):
        build_selector({"name": "loss", "preset": "x"})
