"""The axes of the grid: budgets, stage orders, selectors, and how each is written."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from farsighted.config.messages import expectation
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget

_SHARE: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*(tokens|examples)?\s*")
_NUMBER: Final = re.compile(r"\s*(\d+)\s+(tokens|examples)\s*")
_BUDGET_FORMS: Final = "a share in (0, 1] or a number with its unit"
_BUDGET_ADVICE: Final = "Write 25% or 0.25 for a share, '5000 tokens' or '200 examples' for a number."


def parse_budget(value: object) -> Budget:
    """Return the budget that a user wrote.

    Accepted: "25%", 0.25, "25% examples", "5000 tokens", "200 examples". A share counts response tokens unless it
    says examples (definitions.md#budget).

    Raises:
        ConfigError: A bare number above 1 (25 could be a share or a number), zero, a negative or non-finite number,
            or any other text.

    >>> str(parse_budget("25% examples")), str(parse_budget(0.1)), str(parse_budget("200 examples"))
    ('25% examples', '10%', '200 examples')
    """
    try:
        return _budget(value)
    except PydanticCustomError as error:
        raise ConfigError(f"`budgets` {error.message()}") from None


def budget_text(budget: Budget) -> str:
    """Return a budget in the form that `parse_budget` reads back without loss, to the last bit."""
    if budget.kind == "number":
        return f"{int(budget.amount)} {budget.unit}"
    percent = format((Decimal(repr(budget.amount)) * 100).normalize(), "f")
    return f"{percent}%" if budget.unit == "tokens" else f"{percent}% examples"


def _budget(value: object) -> Budget:
    if isinstance(value, Budget):
        return _budget(budget_text(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _bare_share(value)
    if isinstance(value, str):
        return _written_budget(value)
    raise expectation(_BUDGET_FORMS, value, _BUDGET_ADVICE)


def _bare_share(value: float) -> Budget:
    if 0 < value <= 1:
        return Budget(float(value))
    readings = f"Write {value:g}% for a share, '{value:g} tokens' or '{value:g} examples' for a number."
    raise expectation(_BUDGET_FORMS, value, readings if 1 < value < math.inf else _BUDGET_ADVICE)


def _written_budget(text: str) -> Budget:
    share, number = _SHARE.fullmatch(text), _NUMBER.fullmatch(text)
    if share:
        amount = float(Decimal(share[1]) / 100)
        if 0 < amount <= 1:
            return Budget(amount, "examples" if share[2] == "examples" else "tokens")
        raise expectation("a share above 0% and at most 100%", text, _BUDGET_ADVICE)
    if number and 0 < int(number[1]) < 2**53:
        return Budget(float(number[1]), "examples" if number[2] == "examples" else "tokens", "number")
    raise expectation(_BUDGET_FORMS, text, _BUDGET_ADVICE)


class RandomOrders(BaseModel):
    """Some seeded random stage orders, none of them the canonical one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    random: int = Field(ge=1)
    """How many random orders; at least 1."""


Order = str | RandomOrders | tuple[str, ...]
"""'canonical', 'reversed', `{random: 2}`, or all stage names in the order wanted."""


def _order(value: object) -> Order:
    if isinstance(value, RandomOrders) or value in ("canonical", "reversed"):
        return value
    if isinstance(value, dict) and set(value) == {"random"}:
        count = value["random"]
        if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
            return RandomOrders(random=count)
        raise expectation("{random: number}, the number at least 1", count, "Write {random: 2}.")
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    advice = "Write an explicit order as a list inside the list: `orders: [[math, code]]`."
    raise expectation("canonical, reversed, {random: number} or a list of stage names", value, advice)


def order_problem(order: Sequence[str], stage_names: Sequence[str]) -> str | None:
    """Return what keeps an explicit order from holding every stage once, as a sentence; None where it does."""
    unknown = [name for name in order if name not in stage_names]
    if unknown:
        return f"There is no stage '{unknown[0]}'; the stages are: {', '.join(stage_names)}."
    missing = [name for name in stage_names if name not in order]
    if missing:
        return f"Add the stage '{missing[0]}'."
    repeated = [name for name in order if order.count(name) > 1]
    return f"Remove one '{repeated[0]}'." if repeated else None


class SelectorSpec(BaseModel):
    """A selector as the user asked for it: a name, a label, and parameters that the selector itself will check.

    Written as a name ("loss"), as `package.module:Name`, or as a mapping with `name`, parameters, and an optional
    `label`. Serialised flat, as in YAML: `{name, label, **parameters}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name in the registry of selectors, or `package.module:Name`."""
    label: str = Field(min_length=1)
    """Row name in reports, distinct within the audit; by default the name, with the parameters where there are any."""
    parameters: dict[str, object] = Field(default_factory=dict)
    """What the selector is built with: text, numbers, true or false, lists and mappings of these."""

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: object) -> object:
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"].strip():
            advice = "Write loss, or {name: lhas, lambda_: 0.5}."
            raise expectation("a selector's name or a mapping that holds one under `name`", value, advice)
        named = {key: part for key, part in value.items() if key not in ("name", "label", "parameters")}
        gathered = value.get("parameters", {})
        if not isinstance(gathered, dict):
            raise expectation("a mapping", gathered, "Write parameters beside `name`.", ("parameters",))
        parameters = {**gathered, **named}
        for key, part in parameters.items():
            if not _plain(part):
                advice = "Put it in quotes if it is meant as text."
                raise expectation(
                    "text, a finite number, true, false, or a list or mapping of these", part, advice, (key,)
                )
        label = value.get("label", _default_label(value["name"], parameters))
        return {"name": value["name"], "label": label, "parameters": parameters}

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        parts = handler(self)
        return {"name": parts["name"], "label": parts["label"], **parts["parameters"]}


def _plain(value: object) -> bool:
    """Tell whether JSON gives a value back unchanged."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(_plain(part) for part in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(part) for key, part in value.items())
    return value is None or isinstance(value, (str, int, bool))


def _default_label(name: str, parameters: dict[str, object]) -> str:
    """Return `name`, or `name(a=1, b=x)` where there are parameters, so that variants differ in every table.

    >>> _default_label("lhas", {"lambda_": 0})
    'lhas(lambda_=0)'
    """
    short = name.rsplit(":", 1)[-1]
    if not parameters:
        return short
    inside = ", ".join(f"{key}={_short(value)}" for key, value in sorted(parameters.items()))
    return f"{short}({inside})"


def _short(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return _default_label(value["name"], {key: part for key, part in value.items() if key not in ("name", "label")})
    return str(value)


BudgetField = Annotated[Budget, PlainValidator(_budget), PlainSerializer(budget_text, return_type=str)]
OrderField = Annotated[
    Order,
    PlainValidator(_order),
    PlainSerializer(lambda order: order.model_dump() if isinstance(order, RandomOrders) else order, return_type=object),
]
