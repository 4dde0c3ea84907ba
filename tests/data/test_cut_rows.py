import json
from dataclasses import replace

import pytest

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.cut_rows import cut_row, in_turns
from farsighted.data.turns import every_turn
from farsighted.files.formats import Examples, to_example
from farsighted.files.rows import Row

TALK = Example("t", "user: a\nassistant: b\nuser: c", "d", turns=(("user", "a"), ("assistant", "b"), ("user", "c")))


def test_turns_stand_where_their_conversation_stands():
    single = Example("s", "a", "b")
    found = in_turns(Examples((TALK, single), {"t": "f:1", "s": "f:2"}))
    assert [example.id for example in found.examples] == ["t#1", "t", "s"]
    assert found.places == {"t#1": "f:1", "t": "f:1", "s": "f:2"}
    assert found.cut == {"t#1"}


def test_a_turn_with_the_id_of_another_example_is_refused():
    with pytest.raises(DataError, match=r"'t#1' \(f:2\) is also that of a turn of 't' \(f:1\)"):
        in_turns(Examples((TALK, Example("t#1", "a", "b")), {"t": "f:1", "t#1": "f:2"}))


SAID = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e"), ("assistant", "f")]
MESSAGES = [{"role": role, "content": content} for role, content in SAID]


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"id": "t", "messages": MESSAGES}, {}),
        ({"messages": MESSAGES, "answer": "f"}, {}),
        ({"key": "t", "talk": MESSAGES}, {"messages": "talk", "id": "key"}),
        ({"id": "t", "prompt": MESSAGES[:-1], "response": "f"}, {}),
        ({"id": "t", "system": "s", "conversations": [{"from": r, "value": c} for r, c in SAID]}, {}),
        ({"instruction": "e", "input": "", "output": "f", "history": [["a", "b"], ["c", "d"]], "system": "s"}, {}),
    ],
)
def test_a_cut_row_read_again_is_the_turn_it_was_cut_for(tmp_path, row, columns):
    row |= {"teacher": "x"}
    whole = to_example(Row(row, tmp_path / "a.jsonl", 1), columns)
    for turn in every_turn(whole)[:-1]:
        cut = cut_row(row, turn, columns)
        assert cut["teacher"] == "x"
        again = to_example(Row(cut, tmp_path / "a.jsonl", 1), columns)
        assert replace(again, id=turn.id) == turn
        assert again.id == (turn.id if {"id", "key"} & row.keys() else "a:1")


CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
TOOLS = [{"type": "function", "function": {"name": "look_up"}}]
CALLED = {
    "id": "t",
    "tools": TOOLS,
    "system": "s",
    "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "rain", "name": "look_up"},
        {"role": "assistant", "content": "It rains.", "reasoning_content": "hm"},
        {"role": "user", "content": "e"},
        {"role": "assistant", "content": "f"},
    ],
}


def test_a_conversation_with_calls_is_cut_with_its_tools_calls_and_reasoning(tmp_path):
    whole = to_example(Row(CALLED, tmp_path / "a.jsonl", 1))
    call, answer, last = every_turn(whole)
    assert last is whole
    assert call.response == '<tool_call>{"name": "look_up", "arguments": {"city": "Oslo"}}</tool_call>'
    assert answer.response == "<think>\nhm\n</think>\n\nIt rains."
    assert answer.turns[0] == ("system", 's\n\n<tools>\n{"name": "look_up"}\n</tools>')
    assert [len(json.loads(turn.conversation)["messages"]) for turn in (call, answer, last)] == [3, 5, 7]
    for turn in (call, answer):
        cut = cut_row(CALLED, turn, {})
        assert cut.keys() == {"id", "messages", "tools"}
        assert to_example(Row(cut, tmp_path / "a.jsonl", 1)) == turn


def test_an_answer_whose_mark_forbids_training_is_context_and_no_example(tmp_path):
    marked = [entry | ({"weight": 0} if entry["content"] == "b" else {}) for entry in MESSAGES]
    whole = to_example(Row({"messages": marked}, tmp_path / "a.jsonl", 1))
    only, _ = every_turn(whole)
    assert (only.response, only.turns[:2]) == ("d", (("user", "a"), ("assistant", "b")))
    again = to_example(Row(cut_row({"messages": marked}, only, {}), tmp_path / "a.jsonl", 1))
    assert replace(again, id=only.id) == only
