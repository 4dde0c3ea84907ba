import pytest

from farsighted.files.fields import UnfitError
from farsighted.files.messages import message_of, reasoning_in

CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
SPELLED = '<tool_call>{"name": "look_up", "arguments": {"city": "Oslo"}}</tool_call>'


@pytest.mark.parametrize("content", [{"content": None}, {"content": ""}, {}])
def test_a_call_needs_no_content(content):
    found = message_of({"role": "assistant", "tool_calls": [CALL], **content})
    assert (found.content, found.text) == ("", SPELLED)
    assert found.as_object() == {"role": "assistant", "content": "", "tool_calls": [CALL]}


def test_in_plain_words_reasoning_comes_first_and_calls_last():
    found = message_of({"role": "assistant", "content": "I look.", "reasoning": "hm", "tool_calls": [CALL]})
    assert found.text == f"<think>\nhm\n</think>\n\nI look.\n{SPELLED}"


def test_reasoning_is_given_under_the_name_that_most_templates_read_and_under_its_own():
    found = message_of({"role": "assistant", "content": "a", "thinking": "hm"}).as_object()
    assert found == {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking": "hm"}
    assert message_of(found).as_object() == found


@pytest.mark.parametrize("setting", ["on", "Off", "high", "", " ", None, 0.8, {"effort": "high"}])
def test_a_setting_of_reasoning_is_none(setting):
    assert reasoning_in({"reasoning": setting}) == {}


def test_the_turn_of_a_caller_is_a_call_where_its_text_spells_one():
    found = message_of({"from": "function_call", "value": '{"name": "look_up", "arguments": {"city": "Oslo"}}'})
    assert (found.role, found.text, found.is_plain) == ("assistant", SPELLED, False)
    plain = message_of({"from": "function_call", "value": "look_up(Oslo)"})
    assert (plain.role, plain.text, plain.is_plain) == ("assistant", "look_up(Oslo)", True)


@pytest.mark.parametrize(("given", "text"), [({"t": 3}, '{"t": 3}'), ([1, 2], "[1, 2]"), (3, "3"), ("3", "3")])
def test_what_a_tool_gave_back_becomes_its_json(given, text):
    assert message_of({"role": "tool", "content": given}).text == text


def test_an_object_that_a_person_is_to_have_said_is_refused():
    with pytest.raises(UnfitError, match="has a `content` of type object; it must be text"):
        message_of({"role": "user", "content": {"t": 3}})


def test_names_are_kept_for_the_template():
    found = message_of({"role": "tool", "content": "rain", "name": "look_up", "tool_call_id": "c1"})
    assert found.as_object() == {"role": "tool", "content": "rain", "name": "look_up", "tool_call_id": "c1"}
    assert (found.text, found.is_plain) == ("rain", False)


def test_a_mark_matters_on_answers_alone():
    asked, said = (message_of({"role": role, "content": "x", "weight": 0.0}) for role in ("user", "assistant"))
    assert asked.is_plain
    assert said.as_object() == {"role": "assistant", "content": "x", "weight": 0}


def test_fields_that_nothing_reads_are_named():
    found = message_of(
        {"from": "gpt", "value": "a", "ts": 3, "weight": 0.4, "name": 7, "reasoning": "on", "label": "x", "html": None}
    )
    assert found.unread == {"ts", "weight", "name", "reasoning", "label"}


def answer(**fields):
    return message_of({"role": "assistant", **fields})


@pytest.mark.parametrize("content", ["<think>hm</think>a", "<think>\nhm\n</think>\n\na", "[THINK]hm[/THINK]a"])
def test_reasoning_that_the_content_begins_with_is_there_once(content):
    found = answer(content=content, reasoning_content="hm")
    assert (found.text, found.reasoning, found.unread) == (content, {}, frozenset())
    assert answer(content=[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": content}]).text == content


def test_two_reasonings_of_one_message_are_refused():
    with pytest.raises(UnfitError, match="one reasoning in the marks of its content and another one beside it"):
        answer(content="<think>hm</think>a", reasoning_content="oh")
    with pytest.raises(UnfitError, match="one reasoning under `reasoning_content` and another in its content"):
        answer(content=[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}], reasoning_content="oh")


@pytest.mark.parametrize(
    "copy",
    [
        {"content": "", "function_call": CALL["function"]},
        {"content": SPELLED},
        {"content": '{"name": "look_up", "arguments": {"city": "Oslo"}}'},
        {"content": [{"type": "tool_use", "id": "c1", "name": "look_up", "input": {"city": "Oslo"}}]},
    ],
)
def test_a_call_that_stands_in_two_places_is_made_once(copy):
    assert answer(tool_calls=[CALL], **copy).text == SPELLED


def test_other_calls_in_a_second_place_are_refused():
    with pytest.raises(UnfitError, match="has other calls under `function_call` than under `tool_calls`"):
        answer(content="", tool_calls=[CALL], function_call={"name": "look_up", "arguments": "{}"})


def test_an_empty_content_beside_a_text_is_none_and_another_text_is_told():
    assert message_of({"role": "user", "content": "", "text": "q"}).text == "q"
    assert message_of({"role": "user", "content": "q", "text": "q"}).unread == frozenset()
    two = message_of({"role": "user", "content": "q", "value": "v"})
    assert (two.text, two.unread) == ("q", {"value"})


def test_what_nothing_reads_in_a_call_is_told():
    assert answer(content="", tool_calls=[{**CALL, "cost": 3}]).unread == {"tool_calls.cost"}
