import json

import pytest

from farsighted.files.calls import tools_in
from farsighted.files.fields import SetAsideError, UnfitError
from farsighted.files.messages import message_of
from farsighted.files.talk import messages_of, talk_from, up_to_answer

TOOLS = tools_in([{"name": "look_up", "parameters": {}}])
SPELLED = '<tools>\n{"name": "look_up", "parameters": {}}\n</tools>'


def said(*pairs, **last):
    found = [{"role": role, "content": content} for role, content in pairs]
    return tuple(message_of(entry) for entry in [*found[:-1], found[-1] | last])


def test_roles_and_texts_that_say_it_all_need_no_conversation():
    talk = talk_from(said(("system", "s"), ("user", "q"), ("assistant", "a")))
    assert (talk.turns, talk.response, talk.conversation) == ((("system", "s"), ("user", "q")), "a", "")


@pytest.mark.parametrize(("system", "told"), [([], SPELLED), ([("system", "s")], f"s\n\n{SPELLED}")])
def test_tools_stand_at_the_end_of_the_system_turn_in_plain_words(system, told):
    talk = talk_from(said(*system, ("user", "q"), ("assistant", "a")), TOOLS)
    assert talk.turns == (("system", told), ("user", "q"))
    assert json.loads(talk.conversation)["tools"] == list(TOOLS)
    assert len(json.loads(talk.conversation)["messages"]) == len(system) + 2


def test_a_conversation_comes_back_as_it_was():
    messages = said(("user", "q"), ("assistant", "a"), reasoning_content="hm")
    talk = talk_from(messages, TOOLS)
    assert talk_from(*messages_of(talk.conversation)) == talk


def test_a_talk_ends_with_its_last_answer_that_may_be_trained_on():
    whole = (*said(("user", "q"), ("assistant", "a")), *said(("user", "r"), ("assistant", "b"), weight=0))
    assert [message.content for message in up_to_answer(whole)] == ["q", "a"]
    with pytest.raises(SetAsideError, match="weight 0 on every answer"):
        up_to_answer(whole[2:])


def test_a_talk_that_ends_with_a_question_is_refused():
    with pytest.raises(UnfitError, match="ends with a turn of 'user'"):
        up_to_answer(said(("assistant", "a"), ("user", "q")))
