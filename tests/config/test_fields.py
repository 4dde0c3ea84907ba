"""Kinds of fields."""

import pytest
from pydantic import TypeAdapter, ValidationError

from farsighted.config.fields import Folder, Name, Paths, Targets, Validation


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (Paths, "a/*.jsonl", ("a/*.jsonl",)),
        (Paths, ["a", "b"], ("a", "b")),
        (Validation, 100, 100),
        (Validation, "v.jsonl", ("v.jsonl",)),
        (Targets, "all-linear", "all-linear"),
        (Targets, ["q_proj"], ("q_proj",)),
        (Folder, None, None),
        (Name, "Q&A 2.0", "Q&A 2.0"),
        (Name, "数学", "数学"),
    ],
)
def test_a_field_is_read_and_comes_back_from_its_json_form(kind, written, value):
    adapter = TypeAdapter(kind)
    assert adapter.validate_python(written) == value
    assert adapter.validate_python(adapter.dump_python(value, mode="json")) == value


@pytest.mark.parametrize(
    ("kind", "written"),
    [(Paths, bad) for bad in ([], "", " ", 3, None, ["a", 3], [""], {"a": 1})]
    + [(Validation, bad) for bad in (0, -1, True, 2.5, [], None)]
    + [(Targets, bad) for bad in ("", [], [1], 3, None)]
    + [(Folder, bad) for bad in ("", 3, ["a"])]
    + [(Name, bad) for bad in ("", " ", " a", "a/b", "a\\b", "a>b", "a\nb", "a\x00")],
)
def test_a_field_of_another_kind_is_refused(kind, written):
    with pytest.raises(ValidationError, match="must be"):
        TypeAdapter(kind).validate_python(written)
