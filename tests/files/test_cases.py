"""Rows in shapes that people who prepare data really have, each with the value that it must be read as.

Every row stands here and, beside the repository, in a file of the same kind; both are read.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.cut_rows import cut_row
from farsighted.data.leaks import find_overlap
from farsighted.data.turns import every_turn
from farsighted.files.formats import SetAside, found_in, read_examples
from farsighted.files.readers import read_rows
from farsighted.files.rows import Row
from oracles.shared_cases import shared_case

TOOL = {"name": "get_weather", "description": "weather of a city", "parameters": {"type": "object"}}
TOOL["parameters"]["properties"] = {"city": {"type": "string"}}
TOOLS = [{"type": "function", "function": TOOL}]
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}
TOOLS_TEXT = f"<tools>\n{json.dumps(TOOL)}\n</tools>"
CALL_TEXT = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>'
RAIN = (
    (("system", TOOLS_TEXT), ("user", "Weather in Oslo?"), ("assistant", CALL_TEXT), ("tool", "rain")),
    "It rains in Oslo.",
)


def said(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


def told_by(*pairs):
    return [{"from": role, "value": content} for role, content in pairs]


def weather(content, *, last=False):
    call = {"role": "assistant", "content": content, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "c1", "name": "get_weather", "content": "rain"}
    rest = [] if last else [result, *said(("assistant", "It rains in Oslo."))]
    return {"tools": TOOLS, "messages": [*said(("user", "Weather in Oslo?")), call, *rest]}


def talk(answer):
    before = [("user", "I lost my key."), ("assistant", "Where did you last see it?"), ("user", "In the garden.")]
    return said(*before, ("assistant", answer))


def parts(text, weight, role):
    return {"role": role, "content": [{"type": "text", "value": text}], "loss_weight": weight}


def weighed(*turns):
    return {"messages": [{"role": role, "content": text, **more} for role, text, more in turns]}


HH = "\n\nHuman: Is it cold?\n\nAssistant:"
ROWS = {
    "01_swift_history.jsonl": [
        (
            {
                "system": "Answer in one word.",
                "query": "And its capital?",
                "response": "Lima",
                "history": [["Which country lies north of Chile?", "Peru"]],
            },
            (
                (
                    ("system", "Answer in one word."),
                    ("user", "Which country lies north of Chile?"),
                    ("assistant", "Peru"),
                    ("user", "And its capital?"),
                ),
                "Lima",
            ),
        )
    ],
    "02_messages_system.jsonl": [
        (
            {
                "system": "You speak like a pirate.",
                "messages": said(("user", "Where is the map?"), ("assistant", "Arr, below deck.")),
            },
            ((("system", "You speak like a pirate."), ("user", "Where is the map?")), "Arr, below deck."),
        )
    ],
    "03_orca.jsonl": [
        (
            {
                "id": "niv.1",
                "system_prompt": "Explain as to a child.",
                "question": "Why is the sky blue?",
                "response": "Because blue light scatters.",
            },
            (
                (("system", "Explain as to a child."), ("user", "Why is the sky blue?")),
                "Because blue light scatters.",
            ),
        )
    ],
    "04_rag.jsonl": [
        (
            {
                "context": "The bridge was opened in 1931 and closed in 1990.",
                "question": "When was the bridge opened?",
                "answer": "1931",
            },
            ("When was the bridge opened?\n\nThe bridge was opened in 1931 and closed in 1990.", "1931"),
        )
    ],
    "05_dpo_multiturn.jsonl": [
        (
            {"prompt": "I lost my key.", "chosen": talk("Look under the bench."), "rejected": talk("Too bad.")},
            (
                (
                    ("user", "I lost my key."),
                    ("assistant", "Where did you last see it?"),
                    ("user", "In the garden."),
                ),
                "Look under the bench.",
            ),
        )
    ],
    "06_kto.jsonl": [
        ({"prompt": "Is fire cold?", "completion": "Yes, fire is freezing.", "label": False}, "aside: label false"),
        (
            {"prompt": "Is ice cold?", "completion": "Yes, ice is cold.", "label": True},
            ("Is ice cold?", "Yes, ice is cold."),
        ),
    ],
    "07a_tool_null.jsonl": [(weather(None), RAIN)],
    "07b_tool_empty.jsonl": [(weather(""), RAIN)],
    "07c_tool_last.jsonl": [
        (
            weather("Let me look.", last=True),
            ((("system", TOOLS_TEXT), ("user", "Weather in Oslo?")), f"Let me look.\n{CALL_TEXT}"),
        )
    ],
    "08a_weight0_last.jsonl": [
        (
            weighed(
                ("user", "2+2?", {}),
                ("assistant", "4", {"weight": 1}),
                ("user", "3+3?", {}),
                ("assistant", "seven", {"weight": 0}),
            ),
            ("2+2?", "4"),
        )
    ],
    "09a_think_tags.jsonl": [
        (
            {
                "messages": said(
                    ("user", "6*7?"), ("assistant", "<think>\n6 times 7 is 42\n</think>\n\nThe answer is 42.")
                )
            },
            ("6*7?", "<think>\n6 times 7 is 42\n</think>\n\nThe answer is 42."),
        )
    ],
    "09b_reasoning_content.jsonl": [
        (
            weighed(("user", "6*7?", {}), ("assistant", "The answer is 42.", {"reasoning_content": "6 times 7 is 42"})),
            ("6*7?", "<think>\n6 times 7 is 42\n</think>\n\nThe answer is 42."),
        )
    ],
    "11_pretemplated.jsonl": [
        (
            {"text": "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"},
            ("", "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"),
        )
    ],
    "12_history_null.jsonl": [
        (
            {
                "instruction": "And then?",
                "input": "",
                "output": "The end.",
                "history": [["Tell me a tale.", None], ["Go on.", "It rained."]],
            },
            "bad: has a `history` whose pair 1 has null for its answer",
        )
    ],
    "13_roles.jsonl": [
        (
            {"messages": said(("developer", "Be short."), ("Human", "Name a bird."), ("assistant", "Wren."))},
            ((("system", "Be short."), ("user", "Name a bird.")), "Wren."),
        ),
        ({"conversations": told_by(("User", "Name a fish."), ("gpt", "Cod."))}, ("Name a fish.", "Cod.")),
    ],
    "14_gpt_first.jsonl": [
        (
            {
                "conversations": told_by(
                    ("gpt", "Welcome! How can I help?"), ("human", "Open the door."), ("gpt", "Done.")
                )
            },
            ((("assistant", "Welcome! How can I help?"), ("user", "Open the door.")), "Done."),
        )
    ],
    "18_string_quality.jsonl": [
        ({"prompt": "Question 0?", "response": "Answer 0.", "quality": "4.5"}, ("Question 0?", "Answer 0."))
    ],
    "30_noinput.jsonl": [
        (
            {"instruction": "Name three birds.", "input": "<noinput>", "output": "Wren, owl, tit."},
            ("Name three birds.\n\n<noinput>", "Wren, owl, tit."),
        )
    ],
    "31_prefill.jsonl": [
        (
            {
                "prompt": said(("user", "Count to three."), ("assistant", "One, two,")),
                "completion": said(("assistant", " three.")),
            },
            ((("user", "Count to three."), ("assistant", "One, two,")), " three."),
        )
    ],
    "32_chosen_has_prompt.jsonl": [
        ({"prompt": HH, "chosen": f"{HH} Yes.", "rejected": f"{HH} No."}, (HH, "Yes.")),
    ],
    "33_hh.jsonl": [({"chosen": f"{HH} Yes.", "rejected": f"{HH} No."}, ("Is it cold?", "Yes."))],
    "34_both.jsonl": [
        (
            {
                "prompt": "Short title",
                "messages": said(("user", "Long question?"), ("assistant", "Long answer.")),
                "response": None,
            },
            ("Long question?", "Long answer."),
        )
    ],
    "36_difficulty_label.jsonl": [
        ({"prompt": "Task 0: add 0 and 1", "response": "1", "difficulty": "Easy"}, ("Task 0: add 0 and 1", "1"))
    ],
    "36b_meta_text.jsonl": [({"prompt": "Task 0", "response": "0", "meta": '{"src": "web"}'}, ("Task 0", "0"))],
    "38_parts_value.jsonl": [
        ({"messages": [parts("Hi there", 0.0, "user"), parts("Hello!", 1.0, "assistant")]}, ("Hi there", "Hello!")),
        (
            {"messages": [parts("Bye", 0.0, "user"), parts("See you.", 0.0, "assistant")]},
            "aside: loss_weight 0 on every answer",
        ),
    ],
    "39_lf_dpo.jsonl": [
        (
            {
                "conversations": told_by(("human", "Name a tree.")),
                "chosen": {"from": "gpt", "value": "Oak."},
                "rejected": {"from": "gpt", "value": "Fish."},
            },
            ("Name a tree.", "Oak."),
        )
    ],
    "42_context_list.jsonl": [
        (
            {
                "instruction": "Who opened the bridge?",
                "context": ["The mayor opened the bridge.", "It rained."],
                "response": "The mayor.",
            },
            ("Who opened the bridge?\n\nThe mayor opened the bridge.\n\nIt rained.", "The mayor."),
        )
    ],
    "43_prompt_response_system.jsonl": [
        (
            {"system": "Only answer in French.", "prompt": "Say good day.", "response": "Bonjour."},
            ((("system", "Only answer in French."), ("user", "Say good day.")), "Bonjour."),
        )
    ],
    "48_tool_object.jsonl": [
        (
            {"messages": said(("user", "t?"), ("assistant", "calling"), ("tool", {"t": 3}), ("assistant", "3"))},
            ((("user", "t?"), ("assistant", "calling"), ("tool", '{"t": 3}')), "3"),
        )
    ],
    "49_text_and_output.jsonl": [
        (
            {"instruction": "Say hi", "output": "hi", "text": "### Instruction:\nSay hi\n\n### Response:\nhi"},
            ("Say hi", "hi"),
        )
    ],
    "50_mmlu.jsonl": [
        (
            {"question": "Which is a fruit?", "choices": ["stone", "apple", "car", "sky"], "answer": 1},
            "bad: has an `answer` of type int; it must be text, that of the right choice",
        )
    ],
    "50b_arc.jsonl": [
        (
            {
                "question": "Which is a fruit?",
                "choices": {"label": ["A", "B"], "text": ["stone", "apple"]},
                "answerKey": "B",
            },
            "bad: has the fields answerKey, choices, question, but must have",
        )
    ],
    "50c_mcq_answer_text.jsonl": [
        (
            {"question": "Which is a fruit?", "options": ["A. stone", "B. apple"], "answer": "B"},
            ("Which is a fruit?\nA. stone\nB. apple", "B"),
        )
    ],
    "52_tool_turn_unknown.jsonl": [
        (
            {
                "messages": said(
                    ("user", "Weather?"), ("assistant", "I look it up."), ("tool", "rain"), ("assistant", "It rains.")
                )
            },
            ((("user", "Weather?"), ("assistant", "I look it up."), ("tool", "rain")), "It rains."),
        )
    ],
}
AS_THEY_STAND = (
    *("17_dup_ids", "19_u2028", "20_duplicates", "20b_dups_diversity", "25_mixed", "26_added_token", "26b_chat"),
    *("28_constant_prompt", "47_budget", "11b_prompt_templated", "11c_bos_text"),
)
"""Files whose rows are one question and one answer, which nothing may change."""


def outcome(row):
    found = found_in(row).outcome
    if isinstance(found, Example):
        return found.turns or found.prompt, found.response
    return f"aside: {found.mark}" if isinstance(found, SetAside) else f"bad: {found.reason}"


def agrees(found, expected):
    return found.startswith(expected) if isinstance(found, str) and isinstance(expected, str) else found == expected


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_read_as_it_must_be(name):
    for fields, expected in ROWS[name]:
        found = outcome(Row(fields, Path(name), 1))
        assert agrees(found, expected), found


@pytest.mark.parametrize("name", ROWS)
def test_the_first_rows_of_a_file_are_read_as_they_must_be(name):
    for row, (fields, expected) in zip(read_rows([shared_case(name)]), ROWS[name], strict=False):
        assert row.fields == fields
        found = outcome(row)
        assert agrees(found, expected), found


@pytest.mark.parametrize("name", AS_THEY_STAND)
def test_a_plain_row_of_a_file_is_read_as_it_stands(name):
    for row in read_rows([shared_case(f"{name}.jsonl")]):
        turns = row.fields.get("conversations")
        asked = turns[0]["value"] if turns else row.fields.get("prompt", "")
        answers = [row.fields.get(field) for field in ("response", "completion", "text")]
        answer = turns[1]["value"] if turns else next(answer for answer in answers if answer is not None)
        assert outcome(row) == (asked, answer)


def written(folder, name, rows):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(params=["here", "beside the repository"])
def place(request):
    """Choose between a file of the rows that stand here and the file of the same kind."""
    return lambda ours, name: ours if request.param == "here" else shared_case(name)


def notes_of(path):
    return [note.partition(": ")[2] for note in read_examples([path]).notes]


@pytest.mark.parametrize(
    ("name", "rows", "notes"),
    [
        ("06_kto", [row for row, _ in ROWS["06_kto.jsonl"]] * 2, ["2 rows were set aside: label false."]),
        (
            "08a_weight0_last",
            [ROWS["08a_weight0_last.jsonl"][0][0]],
            ["1 conversation ends with an earlier answer: weight 0 on the last."],
        ),
        (
            "18_string_quality",
            [
                {"prompt": f"Question {n}?", "response": "a", "quality": q}
                for n, q in enumerate(["4.5", "3", "10", "N/A"])
            ],
            ["`quality` counts as missing in 1 row: it must be a number, but is 'N/A' in line 4."],
        ),
        (
            "25_mixed",
            [{"prompt": "q", "response": "r", "meta": {"k": k}, "input_tokens": k} for k in ("x", 1)],
            ["fields not read: input_tokens, meta.k."],
        ),
        (
            "36_difficulty_label",
            [{"prompt": str(n), "response": "a", "difficulty": "Easy"} for n in range(4)],
            ["`difficulty` counts as missing in 4 rows: it must be a number, but is 'Easy' in line 1."],
        ),
        ("36b_meta_text", [ROWS["36b_meta_text.jsonl"][0][0]], ["fields not read: meta."]),
        (
            "38_parts_value",
            [row for row, _ in ROWS["38_parts_value.jsonl"]],
            ["1 row was set aside: loss_weight 0 on every answer."],
        ),
        ("49_text_and_output", [ROWS["49_text_and_output.jsonl"][0][0]], ["fields not read: text."]),
        ("01_swift_history", [ROWS["01_swift_history.jsonl"][0][0]], []),
        ("07a_tool_null", [weather(None)], []),
    ],
)
def test_what_is_said_of_a_file(tmp_path, place, name, rows, notes):
    assert notes_of(place(written(tmp_path, "rows.jsonl", rows), f"{name}.jsonl")) == notes


@pytest.mark.parametrize("name", ["24_timestamps", "24b_image_bytes"])
def test_times_and_images_beside_the_text_stop_nothing(name):
    found = read_examples([shared_case(f"{name}.parquet")])
    assert (found.examples[0].prompt, found.examples[0].response) == ("Q0?", "Answer 0")
    image = ["image"] if "image" in name else []
    fields = ", ".join(["conversation_id", "conversations.ts", *image, "price", "tags", "timestamp"])
    assert found.notes[0].endswith(f"fields not read: {fields}.")


def test_times_inside_messages_are_told(tmp_path):
    turns = [{"from": "human", "value": "q", "ts": 1}, {"from": "gpt", "value": "a", "ts": 2}]
    pq.write_table(pa.Table.from_pylist([{"conversations": turns, "price": 1.5}]), tmp_path / "a.parquet")
    assert notes_of(tmp_path / "a.parquet") == ["fields not read: conversations.ts, price."]


def test_numbers_with_a_point_are_ids(tmp_path, place):
    name = "37_float_ids.parquet"
    rows = [{"id": number, "prompt": "a", "response": "w"} for number in (1.0, 2.0, None, 4.0)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    found = read_examples([place(tmp_path / name, name)])
    assert [example.id for example in found.examples] == ["1", "2", "37_float_ids:3", "4"]


def test_repeated_ids_are_refused_with_the_way_out_which_works(tmp_path, place):
    rows = [{"id": f"conv{n // 2}", "prompt": f"Question {n}?", "response": "a"} for n in range(6)]
    path = place(written(tmp_path, "rows.jsonl", rows), "17_dup_ids.jsonl")
    with pytest.raises(DataError, match=r"has the id 'conv0'.*write `data\.ids: row` \(in `select`: --ids row\)"):
        read_examples([path])
    assert len(read_examples([path], ids="row").examples) == 6


CSV = {
    "22_semicolon.csv": (
        "prompt;response\nWie heißt der Fluss?;Spree\n".encode("cp1252"),
        r"must have ',' between its columns, but its header has ';', and it is no UTF-8; .*cp1252",
    ),
    "22b_semicolon_utf8.csv": (
        "prompt;response\nWie heißt der Fluss?;Spree\n".encode(),
        r"must have ',' between its columns, but its header has ';'\.",
    ),
    "23_messages_json_text.csv": (
        b'messages\n"[{""role"": ""user"", ""content"": ""Q0""}]"\n',
        "has `messages` as text that holds JSON; write the list itself",
    ),
    "41_no_header.csv": (
        b"What is 1 + 1?,2\nWhat is 2 + 2?,4\n",
        r"the first line of the file \(What is 1 \+ 1\?, 2\) seems to be a row itself; put a header above it",
    ),
}


@pytest.mark.parametrize("name", CSV)
def test_the_message_names_the_cause(tmp_path, place, name):
    content, cause = CSV[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=cause):
        read_examples([place(tmp_path / name, name)])


def test_words_that_look_like_nothing_or_like_numbers_stay_text_in_csv(tmp_path, place):
    answers = ["NA", "None", "null", "007", "true", "1e3"]
    lines = [f"{n:04d},Which?,{answer}" for n, answer in enumerate(answers, start=1)]
    (tmp_path / "a.csv").write_text("\n".join(["id,prompt,response", *lines, ""]))
    found = read_examples([place(tmp_path / "a.csv", "21_na.csv")]).examples
    assert [example.response for example in found] == answers
    assert found[0].id == "0001"


POOL = [
    {
        "messages": said(
            ("system", "You are helpful."), ("user", "What is the tallest mountain on Mars?"), ("assistant", "x")
        )
    },
    {"instruction": "Name a moon.", "input": "of Jupiter", "output": "Io"},
    {"prompt": "Name the red planet", "response": "Mars"},
    {"prompt": "Something else entirely", "response": "fine"},
]
MEASURED = [
    {"prompt": "What is the tallest mountain on Mars?", "response": "Olympus Mons."},
    {"prompt": "Name a moon.\nof Jupiter", "response": "Io"},
    {"prompt": "Name the red planet.", "response": "Mars"},
]


def test_a_system_turn_on_one_side_only_hides_no_leak(tmp_path, place):
    pool = place(written(tmp_path, "pool.jsonl", POOL), "27_pool.jsonl")
    measured = place(written(tmp_path, "eval.jsonl", MEASURED), "27_eval.jsonl")
    overlap = find_overlap(read_examples([pool]).examples, {"eval": read_examples([measured]).examples})
    assert [pair.id.rpartition(":")[2] for pair in overlap] == ["1", "2"]


def test_each_turn_of_a_talk_is_cut_out_and_comes_back(tmp_path, place):
    turns = said(("user", "q0"), ("assistant", "one 0"), ("user", "q1"), ("assistant", "two 0"))
    rows = [{"id": "d0", "quality": 0, "messages": turns}]
    for row in read_rows([place(written(tmp_path, "a.jsonl", rows), "29_each.jsonl")]):
        first, last = every_turn(found_in(row).outcome)
        assert (first.response[:3], last.response[:3]) == ("one", "two")
        again = found_in(Row(cut_row(row.fields, first, {}), row.file, row.line))
        assert again.outcome == first
