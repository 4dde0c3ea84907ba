import pytest

from farsighted.files.fields import UnfitError
from farsighted.files.shapes import said_in
from oracles.talks import talk_of

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SHAPED = {
    "pair": {"prompt": "q", "response": "a"},
    "list pair": {"prompt": CHAT[:1], "completion": CHAT[1:]},
    "preference": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "messages": {"messages": CHAT},
    "conversations": {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    "two conversations": {"chosen": CHAT, "rejected": CHAT},
    "alpaca": {"instruction": "q", "output": "a"},
    "dolly": {"instruction": "q", "response": "a"},
    "swift": {"query": "q", "response": "a"},
    "orca": {"question": "q", "response": "a"},
    "flan": {"inputs": "q", "targets": "a"},
    "capybara": {"conversation": [{"input": "q", "output": "a"}]},
}
every_shape = pytest.mark.parametrize("fields", SHAPED.values(), ids=SHAPED)


@every_shape
@pytest.mark.parametrize("name", ["system", "system_prompt", "system_message"])
def test_a_system_text_comes_first(fields, name):
    assert talk_of({name: "s", **fields}).turns == (("system", "s"), ("user", "q"))


@every_shape
@pytest.mark.parametrize(
    "history",
    [
        [["q0", "a0"]],
        [{"role": "user", "content": "q0"}, {"role": "assistant", "content": "a0"}],
        [{"prompt": "q0", "response": "a0"}],
        [{"answer": "a0", "question": "q0"}],
    ],
)
def test_a_history_comes_before_the_question_and_after_the_system(fields, history):
    talk = talk_of({"system": "s", "history": history, **fields})
    assert talk.turns == (("system", "s"), ("user", "q0"), ("assistant", "a0"), ("user", "q"))


@every_shape
@pytest.mark.parametrize("name", ["context", "input"])
def test_a_context_comes_after_the_question(fields, name):
    assert talk_of({name: "c", **fields}).prompt == "q\n\nc"


@every_shape
def test_options_come_last_each_with_its_letter(fields):
    assert talk_of({"context": "c", "options": ["x", "y"], **fields}).prompt == "q\n\nc\nA. x\nB. y"


@every_shape
def test_tools_and_reasoning_go_to_the_template_and_into_the_plain_words(fields):
    talk = talk_of({"tools": [{"name": "look_up"}], "reasoning": "hm", **fields})
    assert talk.turns == (("system", '<tools>\n{"name": "look_up"}\n</tools>'), ("user", "q"))
    assert talk.response == "<think>\nhm\n</think>\n\na"
    assert '"reasoning_content": "hm"' in talk.conversation


@every_shape
def test_all_of_it_is_told_as_read(fields):
    more = {"system": "s", "history": [], "input": "c", "options": ["x", "y"], "tools": [], "reasoning": "hm"}
    assert said_in({**fields, **more}).read >= fields.keys() | more.keys()


def test_a_system_turn_that_leads_already_stays_and_another_system_text_is_told():
    chat = [{"role": "system", "content": "s"}, *CHAT]
    same, other = (said_in({"messages": chat, "system": text}) for text in ("s ", "t"))
    assert same.talk == other.talk
    assert same.talk.turns[0] == ("system", "s")
    assert ("system" in same.read, "system" in other.read) == (True, False)


def test_in_a_list_of_turns_the_context_belongs_to_the_first_question_and_the_options_to_the_last():
    chat = [*CHAT, {"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]
    talk = talk_of({"messages": chat, "context": "c", "options": ["x", "y"]})
    assert talk.turns == (("user", "q\n\nc"), ("assistant", "a"), ("user", "r\nA. x\nB. y"))


def test_a_system_turn_leads_a_history_whichever_of_them_holds_it():
    system = {"role": "system", "content": "s"}
    turns = (("system", "s"), ("user", "q0"), ("assistant", "a0"), ("user", "q"))
    other = said_in({"history": [["q0", "a0"]], "messages": [system, *CHAT], "system": "t"})
    assert (other.talk.turns, "system" in other.read) == (turns, False)
    past = [{"role": "user", "content": "q0"}, {"role": "assistant", "content": "a0"}]
    for before, chat in (([system, *past], CHAT), (past, [system, *CHAT]), ([system, *past], [system, *CHAT])):
        assert talk_of({"history": before, "messages": chat}).turns == turns


def test_options_whose_letters_only_occur_in_the_question_are_added():
    talk = talk_of({"question": "What is 2 + 2 + 4?", "options": {"A": "2", "B": "4"}, "answer": "B"})
    assert talk.prompt == "What is 2 + 2 + 4?\nA. 2\nB. 4"


def test_a_context_that_stands_in_the_prompt_is_not_said_twice_but_an_input_of_alpaca_is():
    context = "The mill burned down in 1802."
    assert talk_of({"prompt": f"{context} When?", "response": "1802", "context": context}).prompt == f"{context} When?"
    assert talk_of({"instruction": "Add 5 to 5", "input": "5", "output": "10"}).prompt == "Add 5 to 5\n\n5"


def test_the_input_of_another_shape_is_not_read():
    said = said_in({"messages": CHAT, "instruction": "i", "input": "c", "output": "o"})
    assert said.talk.prompt == "q"
    assert "input" not in said.read


def test_texts_of_a_context_have_an_empty_line_between_them_and_an_object_is_refused():
    assert talk_of({"question": "q", "answer": "a", "context": ["c", "", "d"]}).prompt == "q\n\nc\n\nd"
    with pytest.raises(UnfitError, match="has a `context` of type object; it must be text or a list of texts, because"):
        talk_of({"question": "q", "answer": "a", "context": {"title": []}})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["x", "y"], "A. x\nB. y"),
        (["A. x", "B. y"], "A. x\nB. y"),
        (["(a) x", "(b) y"], "(a) x\n(b) y"),
        ({"label": ["1", "2"], "text": ["x", "y"]}, "1. x\n2. y"),
        ({"A": "x", "B": "y"}, "A. x\nB. y"),
    ],
)
def test_options_of_any_form_are_read(options, told):
    for name in ("options", "choices"):
        assert talk_of({"question": "q", "answer": "B", name: options}).prompt == f"q\n{told}"


def test_options_that_are_in_the_question_or_that_metadata_compare_are_not_added():
    asked = {"question": "q: stone or apple?", "answer": "apple"}
    assert talk_of({**asked, "options": ["stone", "apple"]}).prompt == asked["question"]
    compared = {"question": "q", "answer": "B. no", "choices": ["yes", "no"]}
    assert talk_of({**compared, "answer_index": 1}).prompt == "q"
    assert talk_of({**compared, "meta": {"answer_index": 1}}).prompt == "q"


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([["q", None]], "whose pair 1 has null for its answer"),
        ([["q", "a"], [{"x": 1}, "b"]], "whose pair 2 has object for its question"),
        (["q"], "no list of pairs"),
        ("none", "no list of pairs"),
        ('[["q", "a"]]', "text that holds JSON"),
        ({"q": "a"}, "no list of pairs"),
        ([{"one": "q", "other": "a"}], "no list of pairs"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(history, message):
    with pytest.raises(UnfitError, match=message):
        talk_of({"query": "q", "response": "a", "history": history})
