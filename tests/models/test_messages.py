"""What a chat template is given, and the other forms in which it is asked again."""

import json

import pytest

from farsighted.core.values import Example
from farsighted.models.messages import Conversation, answered, conversation_of, forms_of

CALL = {"type": "function", "function": {"name": "look", "arguments": {"city": "Oslo"}}}


def talk(*messages, tools=()):
    return Conversation(messages, tools)


def forms(*messages, known=()):
    return [form.messages for form in forms_of(talk(*messages), frozenset(known))]


def test_turns_and_response_are_messages_with_the_answer_last():
    example = Example("a", "-", "4", turns=(("system", "Be brief"), ("user", "2+2?")))
    assert [(message["role"], message["content"]) for message in conversation_of(example).messages] == [
        ("system", "Be brief"),
        ("user", "2+2?"),
        ("assistant", "4"),
    ]
    assert conversation_of(Example("b", "Hi", "Yo")).messages[0] == {"role": "user", "content": "Hi"}


def test_a_whole_conversation_is_given_as_it_stands():
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    example = Example("a", "Hi", "look", conversation=json.dumps({"messages": messages, "tools": [{"name": "look"}]}))
    assert conversation_of(example) == talk(*messages, tools=({"name": "look"},))


def test_another_answer_takes_the_last_ones_place():
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}]
    other = answered(Example("a", "Hi", "A", conversation=json.dumps({"messages": messages})), "B")
    assert other.response == "B"
    assert conversation_of(other).messages[-1] == {"role": "assistant", "content": "B"}
    assert answered(Example("a", "Hi", "A"), "B") == Example("a", "Hi", "B")


@pytest.mark.parametrize(
    ("given", "known", "expected"),
    [
        ("Human", (), "user"),
        ("gpt", (), "assistant"),
        ("developer", (), "system"),
        ("developer", ("developer",), "developer"),
        ("function", (), "tool"),
        ("critic", (), "critic"),
    ],
)
def test_roles_have_their_usual_names_unless_the_template_has_the_one_given(given, known, expected):
    assert forms({"role": given, "content": "x"}, known=known)[0][0]["role"] == expected


def test_roles_are_tried_by_the_names_that_the_template_has():
    names = [form[0]["role"] for form in forms({"role": "tool", "content": "x"}, known=("ipython",))]
    assert names[0] == "tool"
    assert "ipython" in names
    # A tool is nobody's user.
    assert {form[0]["role"] for form in forms({"role": "tool", "content": "x"}, known=("user",))} == {"tool"}


def test_content_is_text_first_and_then_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    first, second, *_ = forms({"role": "user", "content": parts})
    assert first[0]["content"] == "ab"
    assert second[0]["content"] == [{"type": "text", "text": "ab"}]


def test_what_is_no_text_stays_for_the_check_to_name():
    parts = [{"type": "image"}]
    assert forms({"role": "user", "content": parts})[0][0]["content"] == parts


def test_arguments_are_objects_first_and_then_text():
    as_text = {"function": {"name": "look", "arguments": '{"city": "Oslo"}'}}
    found = [form[0]["tool_calls"][0]["function"]["arguments"] for form in forms(
        {"role": "assistant", "content": "", "tool_calls": [as_text]}
    )]  # fmt: skip
    assert found[0] == {"city": "Oslo"}
    assert '{"city": "Oslo"}' in found
    odd = {"role": "assistant", "content": "", "tool_calls": [{"name": "look", "arguments": "Oslo"}]}
    assert forms(odd)[0][0]["tool_calls"][0]["arguments"] == "Oslo"


def test_no_content_is_an_empty_text_first_and_then_null():
    found = [form[0]["content"] for form in forms({"role": "assistant", "content": None, "tool_calls": [CALL]})]
    assert found[0] == ""
    assert found[-1] is None


def test_a_prompt_that_ends_in_the_assistants_turn_begins_the_answer():
    begun = Example("x", "-", " three.", turns=(("user", "Count"), ("assistant", "One, two,")))
    found = conversation_of(begun)
    assert found.messages[1:] == ({"role": "assistant", "content": "One, two, three."},)
    assert found.given == "One, two,"
    assert conversation_of(answered(begun, " 3")).messages[-1]["content"] == "One, two, 3"


def test_calls_end_a_turn_which_is_not_continued():
    said = [
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "assistant", "content": "Rain."},
    ]
    found = conversation_of(Example("x", "-", "Rain.", conversation=json.dumps({"messages": said})))
    assert (found.messages, found.given) == (tuple(said), "")


def test_no_form_comes_twice():
    found = forms({"role": "user", "content": "x"})
    assert len(found) == 2
