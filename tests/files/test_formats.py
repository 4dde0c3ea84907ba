"""Rows in known shapes to examples."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.files.formats import SetAside, found_in, read_examples, to_example
from farsighted.files.labels import option_texts
from farsighted.files.readers import find_files
from farsighted.files.rows import BadRow, Row
from oracles.shared_data import needs_shared_data, shared_data

PAIR = {"prompt": "p", "response": "r"}


def row(fields, line=7):
    return Row(fields, Path("pool/math.train.jsonl.gz"), line)


def reason(fields):
    found = to_example(row(fields))
    assert isinstance(found, BadRow)
    assert (found.file, found.line) == ("pool/math.train.jsonl.gz", 7)
    return found.reason


def turns(*pairs):
    return {"messages": [{"role": role, "content": content} for role, content in pairs]}


@pytest.mark.parametrize(
    ("fields", "prompt", "response"),
    [
        (PAIR, "p", "r"),
        ({"prompt": "p", "completion": " c "}, "p", " c "),
        ({"prompt": "", "response": "r"}, "", "r"),
        ({"instruction": "i", "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": None, "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": " ", "output": "o"}, "i", "o"),
        ({"instruction": "i", "input": "x", "output": "o"}, "i\n\nx", "o"),
        (turns(("user", "q"), ("assistant", "a")), "q", "a"),
        (turns(("assistant", "a")), "", "a"),
        (turns(("system", "s"), ("user", "q"), ("assistant", "a")), "system: s\nuser: q", "a"),
        (turns(("system", "s"), ("assistant", "a")), "system: s", "a"),
        (
            turns(("user", "q"), ("assistant", "a"), ("user", "q2"), ("assistant", "b")),
            "user: q\nassistant: a\nuser: q2",
            "b",
        ),
    ],
)
def test_every_shape_gives_its_prompt_and_response(fields, prompt, response):
    found = to_example(row(fields))
    assert (found.id, found.prompt, found.response) == ("math.train:7", prompt, response)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "has the fields none, but must have prompt + response"),
        ({"question": "q", "reply": "a"}, "has the fields question, reply, but must have prompt + response, prompt + "),
        ({"conversations": []}, "no list of turns"),
        ({"input_ids": [1]}, "give the text, not its token ids"),
        ({"prompt": "p"}, "has the fields prompt, but must have"),
        ({"prompt": "p", "response": None}, "has the fields prompt, but must have"),
        ({"prompt": "p", "response": ""}, "has an empty response"),
        ({"prompt": "p", "response": " \n\t"}, "has an empty response"),
        ({"prompt": "p", "response": 3}, "has a `response` of type int; it must be text"),
        ({"prompt": ["p"], "response": "r"}, "has a message of type str; every message must be an object"),
        ({"prompt": "p", "completion": {"a": 1}}, "has a `completion` of type object"),
        ({"instruction": "i", "input": 3, "output": "o"}, "has a `input` of type int"),
        ({"messages": []}, "no list of turns"),
        ({"messages": "hello"}, "no list of turns"),
        ({"messages": ["hello"]}, "every message must be an object"),
        (turns(("user", "q")), "ends with a turn of 'user'; the last message must be the assistant's"),
        (turns(("user", "q"), ("assistant", " ")), "has an empty response"),
        ({"messages": [{"role": "assistant"}]}, "has a `content` of type null"),
        (
            turns(("user", ["part"]), ("assistant", "a")),
            "has a message with a part of type 'str'; only parts of type 'text'",
        ),
        ({**PAIR, "id": True}, "has the id True"),
        ({**PAIR, "id": " "}, "has the id ' '"),
        ({**PAIR, "id": 1.5}, "has the id 1.5"),
    ],
)
def test_a_row_of_another_shape_is_a_bad_row_that_says_what_must_be(fields, message):
    assert message in reason(fields)


@pytest.mark.parametrize(
    ("label", "name", "must"),
    [
        ({"difficulty": "hard"}, "difficulty", "it must be a number"),
        ({"meta": {"quality": True}}, "quality", "it must be a number"),
        ({"difficulty": 10**400}, "difficulty", "it must be a number"),
        ({"quality": "1_0"}, "quality", "it must be a number"),
        ({"quality": "inf"}, "quality", "it must be a number"),
        ({"source": 3}, "source", "it must be text"),
        ({"cluster": {"a": 1}}, "cluster", "it must be text or a list of texts"),
        ({"category": [1.5]}, "category", "it must be text or a list of texts"),
        ({"choices": ["a", 2], "answer_index": 0}, "choices", "it must be a list of texts"),
        ({"choices": ["a", "b"], "answer_index": 2}, "choices", "must be a whole number from 0 to 1"),
        ({"choices": ["a", "b"], "answer_index": -1}, "choices", "must be a whole number from 0 to 1"),
        ({"choices": ["a", "b"], "answer_index": True}, "choices", "must be a whole number from 0 to 1"),
        ({"choices": [], "answer_index": 0}, "choices", "must be a whole number from 0"),
    ],
)
def test_a_label_that_cannot_be_read_is_missing_and_stops_nothing(label, name, must):
    found = found_in(row({**PAIR, "id": "x", **label}))
    assert found.outcome == to_example(row({**PAIR, "id": "x"}))
    (wrong,) = found.wrong
    assert (wrong.name, must in wrong.reason) == (name, True)


def test_numbers_in_text_are_numbers():
    found = to_example(row({**PAIR, "quality": "4.5", "meta": {"difficulty": " 3 "}}))
    assert (found.quality, found.difficulty) == (4.5, 3.0)


@pytest.mark.parametrize("meta", ['{"src": "web"}', [1], 3])
def test_a_meta_that_is_no_object_is_told_and_stops_nothing(meta):
    found = found_in(row({**PAIR, "meta": meta}))
    assert isinstance(found.outcome, Example)
    assert found.unread == {"meta"}


def test_fields_that_nothing_reads_are_named_also_in_meta_and_in_messages():
    fields = {"messages": [{"role": "user", "content": "q", "time": 1}, {"role": "assistant", "content": "a"}]}
    found = found_in(row({**fields, "url": "x", "meta": {"quality": 1, "page": 3}, "empty": None, "source": "s"}))
    assert found.unread == {"url", "meta.page", "messages.time"}


def test_a_column_makes_a_field_read_and_hides_our_own():
    columns = {"prompt": "ask", "quality": "score", "system": "who"}
    found = found_in(row({"ask": "q", "prompt": "title", "response": "a", "meta": {"score": 1}, "who": "s"}), columns)
    assert found.unread == {"prompt"}
    assert (found.outcome.turns, found.outcome.quality) == ((("system", "s"), ("user", "q")), 1.0)


def test_a_field_that_a_column_takes_is_not_read_under_its_own_name():
    found = to_example(row({"history": "post", "human_ref": "a"}), {"prompt": "history", "response": "human_ref"})
    assert (found.prompt, found.response) == ("post", "a")


def test_whole_numbers_may_be_written_with_a_point_and_ids_may_come_from_rows():
    assert to_example(row({**PAIR, "id": 1.0})).id == "1"
    assert found_in(row({**PAIR, "id": 1.0}), ids="row").outcome.id == "math.train:7"


def test_repeated_ids_are_no_ids_under_row(tmp_path):
    path = put(tmp_path, "a.jsonl", {**PAIR, "id": "x"}, {**PAIR, "id": "x"})
    with pytest.raises(DataError, match=r"or write `data\.ids: row`"):
        read_examples([path])
    assert [example.id for example in read_examples([path], ids="row").examples] == ["a:1", "a:2"]


def test_rows_that_forbid_training_are_counted_and_are_no_bad_rows(tmp_path):
    path = put(tmp_path, "a.jsonl", {**PAIR, "label": False}, {**PAIR, "label": True}, {**PAIR, "label": "spam"})
    found = read_examples([path])
    assert [example.id for example in found.examples] == ["a:2", "a:3"]
    assert not found.bad_rows
    assert [note.partition(": ")[2] for note in found.notes] == [
        "1 row was set aside: label false.",
        "fields not read: label (in 1 of 2 rows).",
    ]


def test_a_file_of_rows_that_all_forbid_training_says_so(tmp_path):
    with pytest.raises(DataError, match=r"hold none.*1 row was set aside: label false\."):
        read_examples([put(tmp_path, "a.jsonl", {**PAIR, "label": False})])


def test_a_table_fills_objects_with_null_and_a_row_of_json_means_it(tmp_path):
    call = {"name": "look_up", "arguments": {"city": "Oslo", "unit": None}}
    fields = turns(("user", "q")) | {"id": 1}
    fields["messages"].append({"role": "assistant", "content": None, "tool_calls": [{"function": call}]})
    table, lines = (to_example(Row(fields, Path(name), 1)) for name in ("a.parquet", "a.jsonl"))
    assert '"unit"' not in table.response
    assert '"unit": null' in lines.response


def test_metadata_stand_in_meta_or_beside_the_text():
    parts = {"category": "algebra", "difficulty": 3, "quality": 0.5, "source": "gsm"}
    expected = Example("x", "p", "r", cluster="algebra", difficulty=3.0, quality=0.5, source="gsm")
    assert to_example(row({**PAIR, "id": "x", **parts})) == expected
    assert to_example(row({**PAIR, "id": "x", "meta": parts})) == expected


def test_what_stands_beside_the_text_wins_and_cluster_wins_over_category():
    found = to_example(row({**PAIR, "source": "top", "meta": {"source": "in", "cluster": "c", "category": "d"}}))
    assert (found.source, found.cluster) == ("top", "c")


@pytest.mark.parametrize(("label", "cluster"), [(["b", "a"], "a + b"), ([], None), (3, "3"), (None, None), ("", None)])
def test_several_labels_become_one_cluster(label, cluster):
    assert to_example(row({**PAIR, "category": label})).cluster == cluster


@pytest.mark.parametrize(("given_id", "id_"), [("a.7", "a.7"), (12, "12"), (0, "0")])
def test_an_id_is_kept_as_text(given_id, id_):
    assert to_example(row({**PAIR, "id": given_id})).id == id_


def test_a_multiple_choice_row_carries_its_options():
    found = to_example(row({"prompt": "p", "response": "B. no", "meta": {"choices": ["yes", "no"], "answer_index": 1}}))
    assert (found.choices, found.answer_index) == (("A. yes", "B. no"), 1)


@pytest.mark.parametrize("meta", [{"choices": ["yes", "no"]}, {"choices": ["yes", "no"], "answer_index": 1}])
def test_a_row_whose_options_cannot_be_compared_is_not_multiple_choice(meta):
    found = to_example(row({"prompt": "p", "response": "So it is no.", "meta": meta}))
    assert (found.choices, found.answer_index) == ((), None)


@pytest.mark.parametrize(
    ("response", "choices", "index", "options"),
    [
        ("A. x", ["x", "y"], 0, ("A. x", "B. y")),
        ("B. x", ["x", "x"], 1, ("A. x", "B. x")),
        ("y", ["x", "y"], 1, ("x", "y")),
        ("yes\nbecause", ["yes", "no"], 0, ("yes", "no")),
        ("no", ["no", "not sure"], 0, ("no", "not sure")),
        ("not sure yet", ["not", "not sure"], 1, ("not", "not sure")),
        ("not sure yet", ["not", "not sure"], 0, ()),
        ("nothing", ["no", "yes"], 0, ()),
        ("y", ["x", "y"], 0, ()),
        ("A. x", ["x", "y"], 1, ()),
        ("x", ["x", "x"], 0, ()),
        ("a. x", ["x", "y"], 0, ()),
        ("it is x", ["x", "y"], 0, ()),
        ("x", ["x"], 0, ()),
        ("", ["", "y"], 0, ()),
        ("x", ["x", "y"], 5, ()),
        ("x", [], 0, ()),
    ],
)
def test_options_are_texts_to_compare_with_the_response(response, choices, index, options):
    assert option_texts(response, choices, index) == options


TEXT = st.text(st.sampled_from("ab .1\n"), min_size=1, max_size=4)


@settings(max_examples=60)
@given(choices=st.lists(TEXT, min_size=2, max_size=5), tail=st.sampled_from(["", ", so", "\nas", "x"]), data=st.data())
def test_options_where_there_are_any_hold_a_right_one_that_leads_the_response(choices, tail, data):
    index = data.draw(st.integers(0, len(choices) - 1))
    lettered = data.draw(st.booleans())
    response = f"{chr(65 + index)}. {choices[index]}" if lettered else choices[index] + tail
    options = option_texts(response, choices, index)
    assert not options or (len(options) == len(choices) and response.startswith(options[index]))
    if lettered:
        assert options[index] == response


def put(folder, name, *rows):
    path = folder / name
    path.write_text("".join((entry if isinstance(entry, str) else json.dumps(entry)) + "\n" for entry in rows))
    return path


def test_files_become_examples_with_their_places(tmp_path):
    a, b = put(tmp_path, "a.jsonl", PAIR, {**PAIR, "id": "own"}), put(tmp_path, "b.jsonl", PAIR)
    found = read_examples([a, b])
    assert [example.id for example in found.examples] == ["a:1", "own", "b:1"]
    assert found.places == {"a:1": f"{a}:1", "own": f"{a}:2", "b:1": f"{b}:1"}


def test_a_bad_row_stops_the_reading_with_the_way_out(tmp_path):
    path = put(tmp_path, "a.jsonl", PAIR, '{"prompt": ')
    with pytest.raises(DataError, match=r"a\.jsonl:2 is no JSON object.*`data\.on_bad_row: skip`"):
        read_examples([path])


def test_a_second_row_of_an_id_is_refused_with_both_places(tmp_path):
    a, b = put(tmp_path, "a.jsonl", {**PAIR, "id": "x"}), put(tmp_path, "b.jsonl", PAIR, {**PAIR, "id": "x"})
    with pytest.raises(DataError, match=r"b\.jsonl:2 has the id 'x', which .*a\.jsonl:1 has already"):
        read_examples([a, b])


def test_a_second_row_of_an_id_is_refused_where_its_column_is_named(tmp_path):
    path = put(tmp_path, "a.jsonl", {**PAIR, "uid": "x"}, {**PAIR, "uid": "x"})
    with pytest.raises(DataError, match=r"a\.jsonl:2 has the id 'x', which .*a\.jsonl:1 has already"):
        read_examples([path], columns={"id": "uid"})


def test_a_named_column_stands_at_the_top_or_in_meta():
    columns = {"quality": "score", "cluster": "topic"}
    found = to_example(row({**PAIR, "topic": "t", "meta": {"score": 0.5, "topic": "other", "quality": 0.1}}), columns)
    assert isinstance(found, Example)
    assert (found.quality, found.cluster) == (0.5, "t")


def test_files_whose_rows_are_all_bad_say_what_is_wrong_with_the_first(tmp_path):
    path = put(tmp_path, "a.jsonl", {"ask": "p"}, "{")
    with pytest.raises(
        DataError, match=r"hold none.*The first row that was set aside: .*a\.jsonl:1 has the fields ask"
    ):
        read_examples([path], "skip", max_bad_share=1.0)


def test_under_skip_bad_rows_are_set_aside(tmp_path):
    path = put(
        tmp_path, "a.jsonl", {**PAIR, "id": "x"}, "{", {**PAIR, "id": "x"}, {"prompt": "p", "response": ""}, PAIR
    )
    found = read_examples([path], "skip", max_bad_share=0.6)
    assert [example.id for example in found.examples] == ["x", "a:5"]
    assert [bad.line for bad in found.bad_rows] == [2, 3, 4]


def test_under_skip_too_many_bad_rows_are_refused(tmp_path):
    path = put(tmp_path, "a.jsonl", PAIR, "{", PAIR)
    with pytest.raises(DataError, match=r"At most 30% of the rows may be bad, but 1 of 3 are"):
        read_examples([path], "skip", max_bad_share=0.3)


@pytest.mark.parametrize("rows", [[], ["", "  "]])
def test_files_without_rows_are_refused(tmp_path, rows):
    with pytest.raises(DataError, match=r"must hold at least one example, but '.*a\.jsonl' hold none"):
        read_examples([put(tmp_path, "a.jsonl", *rows)])


FIELDS = (
    *("id", "prompt", "response", "completion", "instruction", "input", "output", "messages", "meta", "cluster"),
    *(
        "category",
        "difficulty",
        "quality",
        "source",
        "choices",
        "answer_index",
        "system",
        "history",
        "context",
        "tools",
    ),
    *("options", "reasoning", "label", "weight", "loss", "chosen", "rejected", "conversation", "query", "answers"),
)
SHORT = st.text(max_size=2)
VALUE = (
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), SHORT),
    *(st.lists(st.none() | SHORT, max_size=2), st.dictionaries(SHORT, SHORT, max_size=2)),
)
SHAPE = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, st.one_of(*VALUE)))


@settings(max_examples=60)
@given(fields=SHAPE)
def test_every_object_is_an_example_or_a_bad_row(fields):
    found = to_example(row(fields))
    assert isinstance(found, (Example, BadRow, SetAside))
    assert not isinstance(found, Example) or found.response.strip()


@needs_shared_data
@pytest.mark.parametrize("name", ["math/gsm8k.test", "reasoning/logiqa2.test", "biomedical/pubmedqa.test"])
def test_real_files_are_read_whole(name):
    files = find_files(f"{name}.jsonl.gz", shared_data())
    found = read_examples(files)
    assert found.examples[0].id == f"{Path(name).name}.00000"
    assert not found.bad_rows


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "covered"),
    [("science/openbookqa.test", 1), ("legal/contract_nli.test", 1), ("biomedical/pubmedqa.test", 1),
     ("reasoning/strategyqa.test", 0), ("math/aqua.train", 0)],
)  # fmt: skip
def test_real_multiple_choice_is_covered_unless_a_rationale_comes_first(name, covered):
    examples = read_examples(find_files(f"{name}.jsonl.gz", shared_data())).examples
    assert sum(bool(example.choices) for example in examples) == covered * len(examples)


def test_a_column_that_a_row_without_a_shape_lacks_is_named_with_the_nearest_field():
    found = to_example(row({"ask": "p", "response": "r", "meta": {"score": 1}}), {"prompt": "aks", "quality": "score"})
    assert isinstance(found, BadRow)
    assert found.reason.endswith("; `data.columns` says 'aks' for `prompt`, which the row lacks. Did you mean 'ask'?")
