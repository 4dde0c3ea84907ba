import json

import pytest

from farsighted.files.calls import calls_in, calls_or_none, calls_text, tools_in, tools_text
from farsighted.files.fields import UnfitError

CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
NAMED = CALL["function"]


@pytest.mark.parametrize(
    "given",
    [
        [CALL],
        CALL,
        NAMED,
        {"function": {"name": "look_up", "arguments": '{"city": "Oslo"}'}},
        json.dumps([NAMED]),
        {"type": "tool_use", "name": "look_up", "input": {"city": "Oslo"}},
        {"name": "look_up", "parameters": {"city": "Oslo"}},
        {"name": "look_up", "args": {"city": "Oslo"}},
        {"function": {"name": "look_up", "kwargs": {"city": "Oslo"}}},
        {"function": {"name": "look_up"}, "arguments": {"city": "Oslo"}},
        {"function": {"name": "look_up", "arguments": {}}, "args": {"city": "Oslo"}},
    ],
)
def test_a_call_has_one_form_whichever_a_file_writes(given):
    assert calls_in(given) == (CALL,)


def test_the_id_of_a_call_is_kept_and_no_arguments_are_an_empty_object():
    assert calls_in({"id": "c1", "function": {"name": "now", "arguments": ""}}) == (
        {"id": "c1", "type": "function", "function": {"name": "now", "arguments": {}}},
    )


def test_arguments_that_are_no_json_stay_text():
    assert calls_in({"name": "run", "arguments": "ls -l"})[0]["function"]["arguments"] == "ls -l"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "f", "params": {"a": 1}}, "tool call with `params`, which nothing reads"),
        (["x"], "tool call of type str"),
        ({"function": {}}, "without a `name`"),
        ({"name": 3}, "`name`"),
    ],
)
def test_what_is_no_call_is_refused(given, message):
    with pytest.raises(UnfitError, match=message):
        calls_in(given)


@pytest.mark.parametrize("text", ["It rains.", "{it rains}", '{"weather": "rain"}', "[1]"])
def test_a_text_that_spells_no_call_has_none(text):
    assert calls_or_none(text) == ()


TOOL = {"name": "look_up", "description": "d", "parameters": {}}


@pytest.mark.parametrize(
    "given", [[TOOL], [{"type": "function", "function": TOOL}], json.dumps([TOOL]), [json.dumps(TOOL)], TOOL]
)
def test_tools_have_one_form(given):
    assert tools_in(given) == ({"type": "function", "function": TOOL},)


@pytest.mark.parametrize("given", ["hammer, saw", ["hammer"], 3, None, [{"brand": "x"}], [TOOL, "saw"]])
def test_what_only_bears_the_name_of_tools_is_none(given):
    assert tools_in(given) is None


def test_an_empty_list_says_that_there_are_no_tools():
    assert tools_in([]) == ()


def test_calls_and_tools_are_written_a_line_each():
    assert (
        calls_text([CALL, CALL]).splitlines()
        == ['<tool_call>{"name": "look_up", "arguments": {"city": "Oslo"}}</tool_call>'] * 2
    )
    assert tools_text(tools_in([TOOL])) == (
        '<tools>\n{"name": "look_up", "description": "d", "parameters": {}}\n</tools>'
    )
