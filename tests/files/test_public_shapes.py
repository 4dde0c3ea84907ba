"""Rows as public data sets have them, shortened to their shape: what each is read as, and what is told as unread."""

from pathlib import Path

import pytest

from farsighted.core.values import Example
from farsighted.files.formats import found_in
from farsighted.files.rows import BadRow, Row

CALL_TEXT = '<tool_call>{"name": "look_up", "arguments": {"city": "Oslo"}}</tool_call>'
CALL = '{"name": "look_up", "arguments": {"city": "Oslo"}}'
TOOL = '{"name": "look_up", "parameters": {}}'
TOOLS_TEXT = f"<tools>\n{TOOL}\n</tools>"
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SHAREGPT = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
ASKED = (("user", "q"),)

READ = {
    "xlam-function-calling-60k": (
        {"id": 0, "query": "q", "answers": f"[{CALL}]", "tools": f"[{TOOL}]"},
        (("system", TOOLS_TEXT), *ASKED),
        CALL_TEXT,
        set(),
    ),
    "glaive-function-calling-v2": (
        {
            "system": "SYSTEM: s",
            "chat": "USER: q\n\n\nASSISTANT: b<|endoftext|>\n\n\nFUNCTION RESPONSE: 3\n\n\nASSISTANT: a\n",
        },
        (("system", "s"), *ASKED, ("assistant", "b"), ("tool", "3")),
        "a",
        set(),
    ),
    "ToolACE": (
        {"system": "s", "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
        (("system", "s"), *ASKED),
        "a",
        set(),
    ),
    "function-calling-chatml": (
        {
            "system_message": "s",
            "function_description": "f",
            "conversations": [
                SHAREGPT[0],
                {"from": "function-call", "value": CALL},
                {"from": "function-response", "value": "3"},
                SHAREGPT[1],
            ],
        },
        (("system", "s"), *ASKED, ("assistant", CALL_TEXT), ("tool", "3")),
        "a",
        {"function_description"},
    ),
    "OpenAI functions": (
        {
            "messages": [
                CHAT[0],
                {"role": "assistant", "function_call": {"name": "look_up", "arguments": '{"city": "Oslo"}'}},
            ],
            "functions": [{"name": "look_up", "parameters": {}}],
        },
        (("system", TOOLS_TEXT), *ASKED),
        CALL_TEXT,
        set(),
    ),
    "Anthropic blocks": (
        {
            "messages": [
                CHAT[0],
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t"},
                        {"type": "text", "text": "a"},
                        {"type": "tool_use", "id": "1", "name": "look_up", "input": {"city": "Oslo"}},
                    ],
                },
            ]
        },
        ASKED,
        f"<think>\nt\n</think>\n\na\n{CALL_TEXT}",
        set(),
    ),
    "LLaMA-Factory parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
                {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "value": "t"}, {"type": "tool_call", "value": CALL}],
                    "loss_weight": 1.0,
                },
            ],
            "tools": f"[{TOOL}]",
        },
        (("system", TOOLS_TEXT), *ASKED),
        f"<think>\nt\n</think>\n\n{CALL_TEXT}",
        set(),
    ),
    "LLaMA-Factory pairs": (
        {"chosen_messages": CHAT, "rejected_messages": [CHAT[0], {"role": "assistant", "content": "b"}]},
        ASKED,
        "a",
        set(),
    ),
    "UltraFeedback binarized": (
        {
            "prompt": "q",
            "prompt_id": "x",
            "chosen": CHAT,
            "rejected": [CHAT[0], {"role": "assistant", "content": "b"}],
            "messages": CHAT,
            "score_chosen": 8.0,
        },
        ASKED,
        "a",
        {"messages", "prompt_id", "score_chosen"},
    ),
    "orca_dpo_pairs": (
        {"system": "s", "question": "q", "chosen": "a", "rejected": "b"},
        (("system", "s"), *ASKED),
        "a",
        set(),
    ),
    "HH": (
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        ASKED,
        "a",
        set(),
    ),
    "LIMA": ({"conversations": ["q", "a"], "source": "stackexchange"}, ASKED, "a", set()),
    "Aya": ({"inputs": "q", "targets": "a", "language": "Yoruba"}, ASKED, "a", {"language"}),
    "FLAN": ({"inputs": "q", "targets": "a", "task_name": "t"}, ASKED, "a", {"task_name"}),
    "MetaMathQA": (
        {"type": "t", "query": "q", "original_question": "o", "response": "a"},
        ASKED,
        "a",
        {"type", "original_question"},
    ),
    "NuminaMath-CoT": (
        {"source": "amc", "problem": "q", "solution": "a", "messages": CHAT},
        ASKED,
        "a",
        {"problem", "solution"},
    ),
    "NuminaMath-1.5": ({"problem": "q", "solution": "a", "answer": "7", "uuid": "u"}, ASKED, "a", {"uuid"}),
    "OpenThoughts": (
        {"system": "s", "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
        (("system", "s"), *ASKED),
        "a",
        set(),
    ),
    "SlimOrca": (
        {
            "conversations": [
                {"from": "system", "value": "s", "weight": None},
                SHAREGPT[0] | {"weight": 0.0},
                SHAREGPT[1] | {"weight": 1.0},
            ]
        },
        (("system", "s"), *ASKED),
        "a",
        set(),
    ),
    "OpenOrca": ({"id": "1", "system_prompt": "", "question": "q", "response": "a"}, ASKED, "a", set()),
    "Capybara": (
        {"source": "x", "conversation": [{"input": "q", "output": "b"}, {"input": "r", "output": "a"}]},
        (*ASKED, ("assistant", "b"), ("user", "r")),
        "a",
        set(),
    ),
    "no_robots": ({"prompt": "q", "prompt_id": "x", "messages": CHAT}, ASKED, "a", {"prompt", "prompt_id"}),
    "HelpSteer": ({"prompt": "q", "response": "a", "helpfulness": 3}, ASKED, "a", {"helpfulness"}),
    "Tulu": ({"id": "x", "messages": CHAT, "source": "ai2"}, ASKED, "a", set()),
    "Open-Platypus": (
        {"input": "", "output": "a", "instruction": "q", "data_source": "M"},
        ASKED,
        "a",
        {"data_source"},
    ),
    "Evol-Instruct": ({"idx": "x", "conversations": SHAREGPT}, ASKED, "a", {"idx"}),
    "Magpie": (
        {"instruction": "q", "response": "a", "conversations": SHAREGPT, "input_quality": "good"},
        ASKED,
        "a",
        {"instruction", "response", "input_quality"},
    ),
    "OpenHermes": ({"system_prompt": None, "conversations": SHAREGPT, "category": "orca"}, ASKED, "a", set()),
    "Nemotron": (
        {"input": CHAT[:1], "output": "a", "reasoning": "on", "system_prompt": "s", "used_in_training": ["Ultra"]},
        (("system", "s"), *ASKED),
        "a",
        {"reasoning", "used_in_training"},
    ),
    "WildChat": (
        {"conversation": [turn | {"language": "English"} for turn in CHAT], "toxic": False},
        ASKED,
        "a",
        {"conversation.language", "toxic"},
    ),
    "Axolotl": (
        {
            "messages": [
                *(turn | {"train": True} for turn in CHAT),
                CHAT[0] | {"train": False},
                {"role": "assistant", "content": "b", "train": False},
            ]
        },
        ASKED,
        "a",
        set(),
    ),
}


def of(fields, columns=None):
    return found_in(Row(fields, Path("a.jsonl"), 1), columns or {})


@pytest.mark.parametrize("name", READ)
def test_a_public_shape_is_read(name):
    fields, turns, response, unread = READ[name]
    found = of(fields)
    assert isinstance(found.outcome, Example), found.outcome
    assert (found.outcome.turns or (("user", found.outcome.prompt),), found.outcome.response) == (turns, response)
    assert found.unread == unread


REFUSED = {
    "OASST": (
        {"message_id": "m", "parent_id": "p", "text": "hello", "role": "prompter"},
        "is one message of a tree (`parent_id`); write each conversation as one row with `messages`",
    ),
    "P3": ({"inputs": [1], "targets": [2], "inputs_pretokenized": "q"}, "has token ids under `inputs`"),
    "WebGPT": ({"question": {"full_text": "q"}, "answer_0": "a", "answer_1": "b"}, "has the fields answer_0"),
    "SHP": (
        {"history": "q", "human_ref_A": "a", "human_ref_B": "b", "labels": 1},
        "has the fields history, human",
    ),
    "Nectar": ({"prompt": "q", "answers": [{"answer": "a", "rank": 1.0}]}, "has the fields answers, prompt"),
    "HelpSteer3": ({"context": CHAT[:1], "response1": "a", "response2": "b"}, "has the fields context, response1"),
    "SQuAD": (
        {"context": "c", "question": "q", "answers": {"text": ["a"]}},
        "has the fields answers, context",
    ),
    "HotpotQA": (
        {"question": "q", "answer": "a", "context": {"title": []}},
        "has a `context` of type object",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_public_shape_that_has_no_single_answer_is_refused_with_its_fields(name):
    fields, message = REFUSED[name]
    found = of(fields).outcome
    assert isinstance(found, BadRow)
    assert found.reason.startswith(message)


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        (REFUSED["SHP"][0], {"prompt": "history", "response": "human_ref_A"}),
        ({"Question": "q", "Complex_CoT": "t", "Response": "a"}, {"prompt": "Question", "response": "Response"}),
        (
            {"inputs": [1], "targets": [2], "inputs_pretokenized": "q", "targets_pretokenized": "a"},
            {"prompt": "inputs_pretokenized", "response": "targets_pretokenized"},
        ),
    ],
)
def test_columns_are_the_way_out_for_other_names(fields, columns):
    found = of(fields, columns)
    assert (found.outcome.prompt, found.outcome.response) == ("q", "a")
    assert found.unread == fields.keys() - set(columns.values())


def test_calls_and_tools_of_one_set_are_given_to_a_template_as_those_of_another():
    xlam, openai = (of(READ[name][0]).outcome for name in ("xlam-function-calling-60k", "OpenAI functions"))
    assert xlam.conversation == openai.conversation
