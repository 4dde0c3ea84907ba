import dataclasses
import json

import pytest

from farsighted.core.errors import SelectorError
from farsighted.selectors import LHAS, Gradient, Loss, build_selector, describe, fingerprint_of, selector_names

OWN = '''
from dataclasses import dataclass
from farsighted.selectors import Scored

@dataclass(frozen=True)
class Own(Scored):
    """Prefer
    short responses.

    More about it."""
    needs = frozenset({{"tokens"}})
    must: int
    """What must
    be given."""
    bare: float = 1.0
    def score(self, signals, state): return {sign}signals["tokens"]
'''


def own_selector(folder, monkeypatch, sign):
    folder.mkdir()
    name = f"own_{folder.name}"
    folder.joinpath(f"{name}.py").write_text(OWN.format(sign=sign))
    monkeypatch.syspath_prepend(folder)
    return build_selector({"name": f"{name}:Own", "must": 1})


@pytest.mark.parametrize("name", selector_names())
def test_every_selector_and_every_field_is_described(name):
    description = describe(name)
    assert description.summary.endswith(".")
    assert description.needs is not None
    fields = {field.name for field in dataclasses.fields(build_selector(name))}
    assert {parameter.name for parameter in description.parameters if parameter.text} == fields


def test_a_description_reads_as_a_help_text():
    text = str(describe("gradient"))
    assert text.startswith("gradient (family gradient, version 1): Prefer examples with a large gradient")
    assert "Reads: grad_norm." in text
    assert "  score = norm: one of 'norm', 'similarity'. What is compared" in text
    assert "alpha = null: a number or null." in str(describe("utility_diversity"))
    assert "utility = utility_diversity: a selector" in str(describe("lhas"))
    assert "Reads: no signals." in str(describe("random"))


def test_needs_are_those_of_the_selector_that_is_described():
    assert describe({"name": "gradient", "signal": "head"}).needs == ("head_grad_norm",)
    assert describe(Gradient("similarity")).needs == ("grad_sketch",)


def test_a_selector_of_ones_own_is_described_from_its_source(tmp_path, monkeypatch):
    own_selector(tmp_path / "a", monkeypatch, "-")
    description = describe("own_a:Own")
    assert description.summary == "Prefer short responses."
    assert description.text == "More about it."
    assert description.needs is None
    assert [tuple(parameter) for parameter in description.parameters] == [
        ("must", "a whole number", "required", "What must be given."),
        ("bare", "a number", "1.0", ""),
    ]


def test_an_unknown_name_is_not_described():
    with pytest.raises(SelectorError, match="Did you mean 'loss'"):
        describe("lass")


def test_a_fingerprint_tells_parameters_apart_also_inside():
    prints = [Loss(), Gradient(), Gradient("similarity"), LHAS(), LHAS(rho=0.0), LHAS(utility="loss")]
    written = {json.dumps(fingerprint_of(selector), sort_keys=True) for selector in prints}
    assert len(written) == len(prints)
    assert fingerprint_of(LHAS(utility="loss"))["inside"] == {"utility": fingerprint_of(Loss())}


def test_a_shipping_selector_is_known_by_its_version_and_a_foreign_one_by_its_source(tmp_path, monkeypatch):
    assert fingerprint_of(Loss()) == {"name": "loss", "version": 1, "parameters": {}}
    one = fingerprint_of(own_selector(tmp_path / "b", monkeypatch, "-"))
    other = fingerprint_of(own_selector(tmp_path / "c", monkeypatch, "+"))
    assert len(one["source"]) == 64
    assert one["source"] != other["source"]


def test_a_foreign_selector_is_known_by_what_stands_beside_it_in_its_module_too(tmp_path, monkeypatch):
    sources = []
    for name, helper in (("one", "HELPER = 1"), ("same", "HELPER = 1"), ("other", "HELPER = 2")):
        folder = tmp_path / name
        folder.mkdir()
        folder.joinpath(f"beside_{name}.py").write_text(OWN.format(sign="-") + helper)
        monkeypatch.syspath_prepend(folder)
        sources.append(fingerprint_of(build_selector({"name": f"beside_{name}:Own", "must": 1}))["source"])
    assert sources[0] == sources[1] != sources[2]


def typed_at_a_prompt(sign):
    names = {"__name__": "prompt"}
    exec(compile(OWN.format(sign=sign), "<prompt>", "exec"), names)
    names["Own"].name = "own"
    return names["Own"](must=1)


def test_a_class_typed_at_a_prompt_is_known_by_its_byte_code():
    one, same, other = (fingerprint_of(typed_at_a_prompt(sign))["source"] for sign in ("-", "-", "+"))
    assert one == same != other


def test_a_class_typed_at_a_prompt_is_described_without_texts_under_fields():
    described = describe(typed_at_a_prompt("-"))
    assert described.summary == "Prefer short responses."
    assert [parameter.text for parameter in described.parameters] == ["", ""]


def test_presets_are_told_with_what_they_stand_for():
    assert "preset = near_published: scale = compat, positions = non_pad." in str(describe("utility_diversity"))
