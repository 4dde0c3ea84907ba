import pytest

from farsighted.files.fields import UnfitError
from farsighted.files.messages import Message
from farsighted.files.repeats import BEGINS_WITH_PROMPT, IS_CONVERSATION, doubt_of, together
from farsighted.files.shapes import said_in
from oracles.talks import talk_of

ASKED = (("user", "Is it cold?"),)
YES, NO = (f"\n\nHuman: Is it cold?\n\nAssistant: {said}" for said in ("Yes.", "No."))


def told(*turns):
    return [{"role": role, "content": content} for role, content in turns]


def spoken(*turns):
    return tuple(Message(role, content) for role, content in turns)


@pytest.mark.parametrize("prompt", ["Is it cold?", told(*ASKED), "\n\nHuman: Is it cold?", "Human: Is it cold?"])
@pytest.mark.parametrize("name", ["chosen", "response", "completion"])
def test_an_answer_that_is_the_whole_conversation_is_parted_from_the_prompt(prompt, name):
    talk = talk_of({"prompt": prompt, name: YES, "rejected": NO})
    assert (talk.turns, talk.response, talk.rejected) == (ASKED, "Yes.", "No.")


@pytest.mark.parametrize("rejected", [NO, "No."])
@pytest.mark.parametrize("prompt", ["\n\nHuman: Is it cold?\n\nAssistant:", "Human: Is it cold?\n\nAssistant: "])
def test_a_prompt_up_to_the_name_of_who_answers_stays_as_it_is_and_is_not_repeated(prompt, rejected):
    talk = talk_of({"prompt": prompt, "chosen": YES, "rejected": rejected})
    assert (talk.prompt, talk.response, talk.rejected) == (prompt, "Yes.", "No.")
    assert talk_of({"prompt": prompt, "completion": YES}).response == "Yes."


def test_a_prompt_of_turns_is_not_repeated_by_a_list_of_messages():
    chosen = told(*ASKED, ("assistant", "Yes."))
    talk = talk_of({"prompt": "\n\nHuman: Is it cold?\n\nAssistant:", "chosen": chosen})
    assert (talk.turns, talk.response) == (ASKED, "Yes.")


def test_a_conversation_goes_on_where_the_prompt_holds_one_turn_of_it():
    more = f"{YES}\n\nHuman: Very?\n\nAssistant: Quite."
    talk = talk_of({"prompt": "\n\nHuman: Is it cold?\n\nAssistant:", "response": more})
    assert (talk.turns, talk.response) == ((*ASKED, ("assistant", "Yes."), ("user", "Very?")), "Quite.")


@pytest.mark.parametrize("prompt", ["Is it cold?", "今天天气怎么样？", [{"role": "user", "content": "Is it cold?"}]])
def test_a_prompt_that_both_answers_begin_with_is_not_repeated(prompt):
    text = prompt if isinstance(prompt, str) else "Is it cold?"
    talk = talk_of({"prompt": prompt, "chosen": f"\n{text}\nYes.", "rejected": f"{text} No."})
    assert (talk.prompt, talk.response, talk.rejected) == (text, "Yes.", "No.")


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "Is it cold?", "chosen": "Is it cold?\nYes.", "rejected": "No."},
        {"prompt": "Is it cold?", "completion": "Is it cold?\nYes."},
        {"instruction": "Is it cold?", "output": "Is it cold?\nYes."},
    ],
)
def test_one_answer_that_begins_with_the_prompt_is_trained_on_whole_and_told(fields):
    said = said_in(fields)
    assert (said.talk.response, said.doubt) == ("Is it cold?\nYes.", BEGINS_WITH_PROMPT)


def test_an_answer_that_greets_back_is_no_doubt():
    assert said_in({"prompt": "Hello", "response": "Hello there"}).doubt == ""
    assert said_in({"prompt": "你好", "response": "你好！"}).doubt == ""


def test_a_conversation_that_does_not_begin_with_the_prompt_is_an_answer_and_told():
    said = said_in({"prompt": "Write a dialogue.", "response": YES})
    assert (said.talk.response, said.doubt) == (YES, IS_CONVERSATION)
    assert doubt_of(spoken(*ASKED), spoken(("assistant", "Assistant: Yes."))) == ""


def test_a_conversation_that_ends_with_a_question_is_refused():
    with pytest.raises(UnfitError, match="ends with a turn of 'user'"):
        talk_of({"prompt": "Is it cold?", "response": f"{YES}\n\nHuman: Very?"})


U, A, V, S = ("user", "u"), ("assistant", "a"), ("user", "v"), ("system", "s")


@pytest.mark.parametrize(
    ("asked", "more", "whole"),
    [
        ([U], [], [U]),
        ([U], [U], [U]),
        ([U], [S, U], [S, U]),
        ([S, U], [U], [S, U]),
        ([S, U], [S, U], [S, U]),
        ([S], [U], [S, U]),
        ([U], [S], [S, U]),
        ([V], [U, A, V], [U, A, V]),
        ([U, A, V], [V], [U, A, V]),
        ([U], [A, V], [U, A, V]),
        ([U], [A, U], [U, A, U]),
        ([U], [V], [U, V]),
    ],
)
def test_a_prompt_is_said_once_and_a_conversation_that_opens_with_an_answer_goes_on_after_it(asked, more, whole):
    assert together(spoken(*asked), spoken(*more)) == spoken(*whole)


def test_the_first_turn_stays_where_a_later_one_says_the_same():
    chosen = told(("assistant", "part 1"), ("user", "Continue"), ("assistant", "part 2"))
    talk = talk_of({"prompt": "Continue", "chosen": chosen})
    assert talk.turns == (("user", "Continue"), ("assistant", "part 1"), ("user", "Continue"))
