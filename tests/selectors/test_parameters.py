from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import (
    LHAS,
    CoverageFloor,
    Demands,
    Diversity,
    Loss,
    Replay,
    Scored,
    build_selector,
    demands_of,
)
from farsighted.selectors.parameters import check_parameters, in_words, parameters_of


@dataclass(frozen=True)
class Anything:
    must: int
    share: float = 0.5
    on: bool = True
    word: str | None = None
    kind: Literal["a", "b"] = "a"
    several: tuple[int, ...] = ()
    table: Mapping[str, int] | None = None
    whatever: Any = None
    name = "anything"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"must": 1.5}, "`must` of selector 'anything' must be a whole number, but is 1.5"),
        ({"must": True}, "`must` .* must be a whole number, but is True"),
        ({"must": 1, "share": "0.5"}, "`share` .* must be a number, but is '0.5'"),
        ({"must": 1, "share": False}, "`share` .* must be a number, but is False"),
        ({"must": 1, "on": 1}, "`on` .* must be true or false, but is 1"),
        ({"must": 1, "word": 7}, "`word` .* must be a text or null, but is 7"),
        ({"must": 1, "kind": "c"}, "`kind` .* must be one of 'a', 'b', but is 'c'"),
        ({"must": 1, "several": 3}, "`several` .* must be a list, but is 3"),
        ({"must": 1, "table": [1]}, "`table` .* must be .* or null, but is"),
        ({}, "parameter `must` of selector 'anything' must be given: a whole number"),
        ({"must": 1, "shara": 1}, r"no parameter `shara` of selector 'anything'\. Did you mean 'share'\?"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(given, sentence):
    with pytest.raises(SelectorError, match=sentence):
        check_parameters(Anything, given)


def test_values_that_fit_are_made_ready():
    given = {"must": 1, "share": 1, "several": [1, 2], "word": None, "whatever": object}
    checked = check_parameters(Anything, given)
    assert checked == {**given, "several": (1, 2)}
    assert isinstance(checked["share"], float)


def test_parameters_are_json_and_build_an_equal_selector():
    selector = LHAS(utility={"name": "gradient", "signal": "head"}, rho=np.float64(0.25))
    parameters = parameters_of(selector)
    assert parameters["utility"] == {"name": "gradient", "score": "norm", "signal": "head"}
    assert type(parameters["rho"]) is float
    assert build_selector({"name": "lhas", **parameters}) == selector
    assert parameters_of(Loss()) == {}
    assert parameters_of(Diversity()) == {"method": "farthest_first"}


@pytest.mark.parametrize("value", [float("nan"), np.zeros(2), object()])
def test_a_parameter_that_is_not_json_is_refused(value):
    with pytest.raises(SelectorError, match=r"`anything\.whatever` must be a finite number, a text, a list"):
        parameters_of(Anything(1, whatever=value))


def test_an_annotation_that_names_nothing_is_said():
    @dataclass(frozen=True)
    class Lost:
        field: "NoSuchType" = 1  # noqa: F821 - the point of this test
        name = "lost"

    with pytest.raises(SelectorError, match="must be annotated with types that its module knows: name 'NoSuchType'"):
        check_parameters(Lost, {})


def test_types_are_told_in_words():
    assert in_words(int | None) == "a whole number or null"
    assert in_words(list[int]) == "a list"
    assert in_words(dict) == "dict"


@dataclass(frozen=True)
class Demanding(Scored):
    name = "demanding"
    needs = frozenset({"tokens"})
    demands = Demands(matched_compute=True)

    def score(self, signals, state):
        return signals["tokens"]


def test_what_is_asked_for_inside_a_selector_is_asked_for_by_the_whole():
    assert demands_of(Loss()) == demands_of(CoverageFloor(Loss())) == Demands()
    assert demands_of(CoverageFloor(Replay(Demanding(), 0.3))) == Demands(matched_compute=True, replay_share=0.3)


@pytest.mark.parametrize(
    "wrong", [{"replay_share": 0.1}, Demands(replay_share=1.5), Demands(replay_share=float("nan"))]
)
def test_demands_that_are_none_are_refused_with_what_to_write(monkeypatch, wrong):
    monkeypatch.setattr(Demanding, "demands", wrong)
    with pytest.raises(SelectorError, match=r"`demands` of selector 'demanding' must be a `Demands`.*for a quarter"):
        demands_of(Demanding())
