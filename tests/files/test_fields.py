import datetime

import pytest

from farsighted.files.fields import UnfitError, as_json, json_in, kind_of, text_of, without_nulls


@pytest.mark.parametrize(
    ("value", "kind"), [({}, "object"), ([], "list"), (True, "boolean"), (None, "null"), (3, "int")]
)
def test_kinds_are_named_as_json_names_them(value, kind):
    assert kind_of(value) == kind


def test_a_field_of_another_type_than_text_is_refused_by_its_name():
    assert text_of({"a": "b"}, "a") == "b"
    with pytest.raises(UnfitError, match="has a `c` of type null; it must be text"):
        text_of({"a": "b"}, "c")


@pytest.mark.parametrize("text", ["", "3", '"a"', "null", "[sic] and more", "{braces}", "[" * 100_000])
def test_a_text_that_spells_no_list_and_no_object_is_text(text):
    assert json_in(text) is None


def test_nulls_go_at_any_depth_and_nothing_else_does():
    assert without_nulls({"a": [{"b": None, "c": 0, "d": ""}], "e": []}) == {"a": [{"c": 0, "d": ""}], "e": []}


def test_what_json_lacks_becomes_text_and_letters_stay():
    assert as_json({"ä": datetime.date(2024, 3, 1)}) == '{"ä": "2024-03-01"}'
