import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.speakers import ROLES
from farsighted.files import shapes
from farsighted.files.beside import CONTEXT, HISTORY, OPTIONS, SYSTEM, TOOLS
from farsighted.files.fields import SetAsideError, UnfitError
from farsighted.files.gold import GOLD_FIELDS
from farsighted.files.labels import LABELS
from farsighted.files.marks import MARKS
from farsighted.files.messages import MESSAGE_FIELDS, REASONING
from farsighted.files.shapes import ANSWERED, SHAPES, said_in
from oracles.talks import talk_of

ASKED = (("user", "q"),)


@pytest.mark.parametrize(
    ("fields", "turns", "response"),
    [
        ({"prompt": "q", "completion": "a"}, ASKED, "a"),
        (
            {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]},
            ASKED,
            "a",
        ),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, ASKED, "a"),
        (
            {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            (("system", "s"), *ASKED),
            "a",
        ),
        ({"instruction": "q", "input": "", "output": "a"}, ASKED, "a"),
        (
            {"instruction": "q", "output": "a", "history": [["q0", "a0"]], "system": "s"},
            (("system", "s"), ("user", "q0"), ("assistant", "a0"), *ASKED),
            "a",
        ),
        ({"instruction": "q", "context": "", "response": "a", "category": "qa"}, ASKED, "a"),
        ({"instruction": "q", "context": "c", "response": "a"}, (("user", "q\n\nc"),), "a"),
        ({"query": "q", "response": "a"}, ASKED, "a"),
        ({"question": "q", "answer": "a"}, ASKED, "a"),
        ({"text": "a"}, (("user", ""),), "a"),
    ],
)
def test_shapes_of_other_trainers_are_read(fields, turns, response):
    talk = talk_of(fields)
    assert (talk.turns, talk.response) == (turns, response)


def test_a_preference_pair_trains_on_what_was_chosen_and_keeps_what_was_not():
    plain = talk_of({"prompt": "q", "chosen": "a", "rejected": "b"})
    whole = {name: [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]
             for name, text in (("chosen", "a"), ("rejected", "b"))}  # fmt: skip
    assert talk_of(whole) == plain
    turns = [{"role": "user", "content": "q"}]
    listed = talk_of(
        {
            "prompt": "q",
            "chosen": [*turns, {"role": "assistant", "content": "a"}],
            "rejected": [*turns, {"role": "assistant", "content": "b"}],
        }
    )
    assert plain == listed
    assert (plain.response, plain.rejected) == ("a", "b")


def test_texts_of_an_answer_are_accepted_answers_no_turns():
    row = {"question": "Capital?", "answer": ["Paris", "Paris, France"], "context": "c"}
    talk = talk_of(row)
    assert (talk.prompt, talk.response) == ("Capital?\n\nc", "Paris")
    assert talk_of({"prompt": "q", "completion": ["a"]}).response == "a"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": "p", "completion": ["a", "b"]}, "has 2 texts as its `completion`; give the one to train on"),
        ({"instruction": "p", "output": ["a", "b", "c"]}, "has 3 texts as its `output`"),
        ({"question": "p", "answer": ["a", "b"], "options": ["a", "b", "c"]}, "has 2 texts as its `answer`"),
        ({"prompt": ["p", "q"], "response": "a"}, "has 2 texts as its `prompt`; write one text, or"),
    ],
)
def test_several_texts_of_which_none_is_the_one_to_train_on_are_refused(fields, message):
    with pytest.raises(UnfitError, match=message):
        talk_of(fields)


def test_texts_in_turn_are_a_conversation_still():
    assert talk_of({"conversations": ["q", "a"]}) == talk_of({"prompt": "q", "response": "a"})


def test_a_question_and_answer_in_a_list_have_a_system_text_an_input_and_a_mark():
    first, second = {"system": "s", "input": "q", "output": "a"}, {"system": "s", "input": "r", "output": "b"}
    said = said_in({"conversation": [first, second]})
    assert said.talk.turns == (("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"))
    assert said.unread == frozenset()
    assert talk_of({"conversation": [{"instruction": "i", "input": "c", "output": "a"}]}).prompt == "i\n\nc"
    marked = said_in({"conversation": [first, second | {"weight": 0, "system": "", "extra": 1}]})
    assert (marked.talk.response, marked.left_out, marked.unread) == ("a", "weight 0", {"conversation.extra"})


def test_an_answer_of_several_turns_ends_with_the_last_one_that_may_be_trained_on():
    asked = [{"role": "user", "content": "q"}]
    turns = [*({"role": role, "content": text} for role, text in (("assistant", "a"), ("user", "r"))),
             {"role": "assistant", "content": "b", "weight": 0}]  # fmt: skip
    said = said_in({"prompt": asked, "completion": turns, "rejected": "c"})
    assert (said.talk.turns, said.talk.response, said.left_out) == (ASKED, "a", "weight 0")
    assert said.talk.rejected == ""
    with pytest.raises(SetAsideError, match="weight 0 on every answer"):
        talk_of({"prompt": asked, "completion": turns[2:]})


def test_names_that_a_table_fills_with_null_are_passed_over():
    both = {"role": None, "content": None, "from": None, "value": None}
    asked, said = both | {"from": "human", "value": "q"}, both | {"role": "assistant", "content": "a"}
    assert talk_of({"messages": [asked, said]}) == talk_of({"prompt": "q", "response": "a"})


def part(text, **more):
    return {"type": "text", "text": text, **more}


def test_the_text_parts_of_a_message_are_joined():
    asked = [part("q1 "), part("q2", image_url=None)]
    for name in ("content", "value"):
        told = [{"role": "user", name: asked}, {"role": "assistant", name: [part("a")]}]
        assert talk_of({"messages": told}) == talk_of({"prompt": "q1 q2", "response": "a"})
        assert talk_of({"prompt": told[:1], "completion": told[1:]}) == talk_of({"prompt": "q1 q2", "response": "a"})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            [part("q"), {"type": "image_url", "image_url": {"url": "x"}}],
            "has a message with a part of type 'image_url'",
        ),
        ([part("q"), {"text": "q"}], "has a message with a part of type None; only parts of type 'text'"),
        ([part(3)], "has a `text` of type int; it must be text"),
        (["q"], "has a message with a part of type 'str'"),
        ([], "has a message whose content is an empty list"),
    ],
)
def test_a_part_that_is_no_text_is_refused(parts, message):
    with pytest.raises(UnfitError, match=message):
        talk_of({"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "a"}]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}]},
            "ends with a turn of 'user'",
        ),
        ({"conversations": [{"value": "a"}]}, "has a `role` of type null"),
        ({"instruction": "q", "output": "a", "history": ["q"]}, "`history` that is no list of pairs"),
        ({"input_ids": [1]}, "give the text, not its token ids"),
        ({"ask": "q"}, "has the fields ask, but must have .*`data.columns`"),
    ],
)
def test_an_unknown_shape_says_what_must_be(fields, message):
    with pytest.raises(UnfitError, match=message):
        talk_of(fields)


_NAMES = (
    "prompt",
    "response",
    "completion",
    "messages",
    "conversations",
    "instruction",
    "output",
    "input",
    "history",
    "system",
    "text",
    "chosen",
    "rejected",
    "query",
    "question",
    "answer",
    "context",
    "options",
    "tools",
    "reasoning",
    "answers",
    "conversation",
    "chat",
    "label",
    "weight",
)
_INNER = ("role", "from", "content", "value", "type", "text", "name", "function", "arguments", "tool_calls", "weight")
_words = st.text(max_size=4) | st.sampled_from(("user", "assistant", "tool", "text", "tool_call", "Human: q"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words,
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(_INNER), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(_NAMES), _values, max_size=5))
def test_a_row_of_any_make_is_a_talk_or_unfit_and_nothing_else(fields):
    with contextlib.suppress(UnfitError):
        talk = talk_of(fields)
        assert isinstance(talk.prompt, str)
        assert isinstance(talk.response, str)
        assert all(isinstance(part, str) for turn in talk.turns for part in turn)


PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


def tables(heading):
    """The rows of the tables under a heading of the page: the names in each cell."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and "|---" not in line]
    cells = [[re.findall(r"`(\w+)`", cell) for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if any(row[0] + row[1])]


def test_the_page_lists_the_shapes_that_are_read():
    of_two = {(asked, answer) for asked in shapes.ASKED for answer in ANSWERED}
    listed = [(tuple(row[0]), tuple(row[1])) for row in tables("Shapes")]
    pairs = ((*shapes.ASKED, *ANSWERED), ("rejected",))
    named = {tuple(names) for names, _ in listed}
    # A pair that has no line of its own is in the line of all pairs, which comes before `text`.
    alone = [(shape.names, shape.also) for shape in SHAPES if shape.names in named or shape.names not in of_two]
    assert listed == [*alone[:-1], pairs, alone[-1]]
    assert of_two <= {shape.names for shape in SHAPES}


def test_the_page_lists_what_is_read_beside_a_shape_and_in_a_message():
    assert [row[0] for row in tables("What stands beside them")] == [
        list(names) for names in (SYSTEM, HISTORY, CONTEXT, OPTIONS, TOOLS, REASONING)
    ]
    *fields, system, user, assistant, tool = tables("Messages")
    assert [name for row in fields for name in row[0]] == [name for name in MESSAGE_FIELDS if name not in MARKS]
    named = {"system": system, "user": user, "assistant": assistant, "tool": tool}
    assert {name: role for role, row in named.items() for name in row[1]} == dict(ROLES)


def test_the_page_lists_marks_and_metadata():
    assert [name for row in tables("Marks that forbid training") for name in row[0]] == list(MARKS)
    assert [row[0] for row in tables("Metadata")] == [["id"], list(LABELS), list(GOLD_FIELDS)]


def sample(name):
    """A value that a field of this name may have, with a text of its own."""
    if name in {"messages", "conversations", "conversation", "dialogue", "dialog", "chosen_messages", "chat"}:
        return [{"role": "user", "content": "asked"}, {"role": "assistant", "content": f"{name} said"}]
    if name == "rejected_messages":
        return [{"role": "assistant", "content": f"{name} said"}]
    if name == "answers":
        return [{"name": f"{name} said", "arguments": {}}]
    if name == "tools":
        return [{"name": f"{name} said"}]
    return f"\n\nHuman: asked\n\nAssistant: {name} said" if name in {"chosen", "rejected"} else f"{name} said"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "+".join(shape.names))
def test_all_fields_of_a_shape_are_in_what_is_read(shape):
    row = {name: sample(name) for name in shape.names}
    said = said_in(row)
    assert said.read == row.keys()
    whole = "\n".join((said.talk.prompt, said.talk.response, said.talk.rejected))
    assert all(whole.count(f"{name} said") == 1 for name in row)
