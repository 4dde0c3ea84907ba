"""Budgets, orders and selectors as users write them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from farsighted.config.grid import OrderField, RandomOrders, SelectorSpec, budget_text, order_problem, parse_budget
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget

ORDER = TypeAdapter(OrderField)


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ("25%", Budget(0.25)),
        (0.25, Budget(0.25)),
        (1, Budget(1.0)),
        ("12.5 % tokens", Budget(0.125)),
        ("25% examples", Budget(0.25, "examples")),
        ("5000 tokens", Budget(5000.0, "tokens", "number")),
        (" 200  examples ", Budget(200.0, "examples", "number")),
    ],
)
def test_every_documented_form_of_a_budget_is_read(written, budget):
    assert parse_budget(written) == budget


@pytest.mark.parametrize(
    "written",
    [
        *(0, -0.1, 1.01, 25, math.nan, math.inf, -math.inf, True, None, [], "", "25", "0.25", "0%", "101%", "-5%"),
        *("1e3 tokens", "0 tokens", "2.5 examples", "200 words", "25%%", "% examples", "9" * 400 + " tokens"),
    ],
)
def test_anything_else_is_refused_as_a_budget(written):
    with pytest.raises(ConfigError, match=r"`budgets` must be a share"):
        parse_budget(written)


def test_a_bare_number_above_one_is_refused_with_its_three_readings():
    with pytest.raises(ConfigError, match=r"but is 25\. Write 25% for a share, '25 tokens' or '25 examples'"):
        parse_budget(25)


@given(st.floats(min_value=1e-12, max_value=1.0), st.sampled_from(["tokens", "examples"]))
@settings(max_examples=60)
def test_a_share_survives_its_text_to_the_last_bit(amount, unit):
    assert parse_budget(budget_text(Budget(amount, unit))) == Budget(amount, unit)


@given(st.integers(1, 2**53 - 1), st.sampled_from(["tokens", "examples"]))
@settings(max_examples=60)
def test_a_number_survives_its_text(amount, unit):
    assert parse_budget(budget_text(Budget(amount, unit, "number"))) == Budget(amount, unit, "number")


def test_the_text_of_a_common_budget_is_what_reports_print():
    for budget in (Budget(0.25), Budget(0.1, "examples"), Budget(5000, "tokens", "number")):
        assert budget_text(budget) == str(budget)


@pytest.mark.parametrize("value", ["canonical", "reversed", {"random": 2}, ["b", "a"]])
def test_an_order_comes_back_from_its_json_form(value):
    order = ORDER.validate_python(value)
    assert ORDER.validate_python(ORDER.dump_python(order, mode="json")) == order


def test_an_instance_of_random_orders_is_an_order():
    assert ORDER.validate_python(RandomOrders(random=2)) == RandomOrders(random=2)


@pytest.mark.parametrize(
    "value", ["math", 3, None, [], [1], {"random": 0}, {"random": True}, {"random": "2"}, {"shuffled": 2}, {}]
)
def test_anything_else_is_refused_as_an_order(value):
    with pytest.raises(ValidationError, match="must be"):
        ORDER.validate_python(value)


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("b", "a"), None),
        (("a", "c"), "There is no stage 'c'; the stages are: a, b."),
        (("a",), "Add the stage 'b'."),
        (("a", "b", "a"), "Remove one 'a'."),
    ],
)
def test_an_explicit_order_must_hold_every_stage_once(order, problem):
    assert order_problem(order, ("a", "b")) == problem


def test_a_name_alone_is_a_selector_without_parameters():
    spec = SelectorSpec.model_validate("loss")
    assert (spec.name, spec.label, spec.parameters) == ("loss", "loss", {})


def test_parameters_stand_beside_the_name_and_make_the_label():
    spec = SelectorSpec.model_validate({"name": "lhas", "rho": 0, "lambda_": 0.5})
    assert spec.parameters == {"rho": 0, "lambda_": 0.5}
    assert spec.label == "lhas(lambda_=0.5, rho=0)"


def test_a_wrapped_selector_shows_in_the_label():
    spec = SelectorSpec.model_validate({"name": "replay", "inner": {"name": "lhas", "rho": 0}})
    assert spec.label == "replay(inner=lhas(rho=0))"


def test_a_label_replaces_the_default_one():
    assert SelectorSpec.model_validate({"name": "lhas", "rho": 0, "label": "no memory"}).label == "no memory"


def test_an_own_class_is_labelled_by_its_last_word():
    assert SelectorSpec.model_validate("my_lab.selectors:Newest").label == "Newest"


@pytest.mark.parametrize("value", ["loss", {"name": "lhas", "rho": 0.1, "utility": {"name": "loss", "k": [1, 2]}}])
def test_a_selector_comes_back_from_its_flat_json_form(value):
    spec = SelectorSpec.model_validate(value)
    assert SelectorSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_selector_can_be_made_by_its_field_names():
    spec = SelectorSpec(name="lhas", label="x", parameters={"rho": 0})
    assert spec.model_dump() == {"name": "lhas", "label": "x", "rho": 0}


@pytest.mark.parametrize(
    "value",
    [
        *(3, None, "", "  ", {}, {"label": "x"}, {"name": 3}, {"name": "x", "label": ""}, {"name": "x", "label": 3}),
        *({"name": "x", "a": part} for part in (math.nan, {1: 2}, {1, 2})),
        {"name": "x", "parameters": 3},
    ],
)
def test_anything_else_is_refused_as_a_selector(value):
    with pytest.raises(ValidationError):
        SelectorSpec.model_validate(value)
