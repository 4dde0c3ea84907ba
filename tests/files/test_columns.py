import pytest

from farsighted.core.errors import ConfigError
from farsighted.files.columns import advice_on, names_in, refuse_unmet, under_our_names


def test_a_named_column_comes_under_our_name_from_the_top_or_from_meta():
    row = {"ask": "q", "meta": {"score": 3}, "other": None}
    found = under_our_names(row, {"prompt": "ask", "quality": "score"})
    assert found == {"ask": "q", "meta": {"score": 3}, "prompt": "q", "quality": 3}


def test_the_top_goes_before_meta_and_a_null_at_the_top_does_not():
    columns = {"quality": "score"}
    assert under_our_names({"score": 1, "meta": {"score": 2}}, columns)["quality"] == 1
    assert under_our_names({"score": None, "meta": {"score": 2}}, columns)["quality"] == 2


def test_a_column_that_a_row_lacks_leaves_no_trace():
    assert under_our_names({"a": 1}, {"quality": "score"}) == {"a": 1}


def test_names_are_those_at_the_top_and_in_meta_whatever_stands_there():
    assert names_in({"a": None, "meta": {"b": 1}}) == {"a", "meta", "b"}
    assert names_in({"a": 1, "meta": 3}) == {"a", "meta"}


def test_advice_names_each_column_that_is_lacking_with_the_nearest_name():
    advice = advice_on({"question": "q", "score": 1}, {"prompt": "qestion", "quality": "score"})
    assert advice == "; `data.columns` says 'qestion' for `prompt`, which the row lacks. Did you mean 'question'?"


def test_a_column_that_no_row_has_is_refused_with_the_nearest_name():
    refuse_unmet({"prompt": "ask"}, ["ask", "answer"])
    with pytest.raises(ConfigError, match=r"no row of any file has 'asc'\. Did you mean 'ask'\?"):
        refuse_unmet({"prompt": "asc"}, ["ask", "answer"])
