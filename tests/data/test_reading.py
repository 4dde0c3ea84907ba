import pytest

from farsighted.config.select import select_config
from farsighted.core.errors import ConfigError, DataError, ModelError
from farsighted.data.reading import reader_of
from farsighted.models.folder import context_of, model_folder
from oracles.chat_folder import CHATML, STRICT, save_chat
from oracles.micro import write_jsonl

TINY = model_folder("tiny")


def read(path, turns="last", **options):
    settings = {"data": path, "selector": "random", "budget": 0.5, **options}
    return reader_of(TINY, select_config(settings, "in a test")).read([str(path)], turns)


def test_files_come_as_examples_and_as_what_the_model_reads(tmp_path):
    file = write_jsonl(tmp_path / "a.jsonl", [{"prompt": f"p{n}", "response": "yes"} for n in range(3)])
    found = read(file)
    assert found.files == (file,)
    assert [item.example for item in found.tokens] == list(found.examples.examples)
    # The tiny model reads bytes, and an end token after them.
    assert [item.response_length for item in found.tokens] == [4, 4, 4]
    assert found.notes == ()


def test_no_path_holds_nothing():
    reader = reader_of(TINY, select_config({"data": "x", "selector": "random", "budget": 0.5}, "in a test"))
    assert reader.read([], "last").tokens == ()


def test_what_is_left_out_is_noted(tmp_path):
    rows = [{"prompt": "p" * (5000 * (n == 3)), "response": "r", "id": n} for n in range(9)]
    found = read(write_jsonl(tmp_path / "a.jsonl", rows), on_long="skip")
    assert found.notes == (f"1 examples do not fit into {context_of(TINY)} tokens: left out.",)
    assert len(found.tokens) == 8
    sampled = read(tmp_path / "a.jsonl", on_long="skip", max_examples=4)
    assert sampled.notes[0] == "4 of 9 examples were kept: a uniform sample."


def test_each_turn_is_an_example_where_asked(tmp_path):
    said = [{"role": role, "content": role} for role in ("user", "assistant") * 2]
    file = write_jsonl(tmp_path / "a.jsonl", [{"id": "t", "messages": said}])
    assert [item.example.id for item in read(file, turns="each").tokens] == ["t#1", "t"]
    assert [item.example.id for item in read(file).tokens] == ["t"]


def test_what_cannot_be_read_is_refused(tmp_path):
    file = write_jsonl(tmp_path / "a.jsonl", [{"prompt": "p" * 5000, "response": "r"}])
    with pytest.raises(
        DataError, match=r"must fit into the model's 1,024 tokens, but 1 of 1 are longer\. Give --on-long skip"
    ):
        read(file)
    with pytest.raises(ConfigError, match=r"No example of .*a\.jsonl fits into"):
        read(file, on_long="skip")
    with pytest.raises(ModelError, match="has no chat template"):
        read(file, template="chat")


def test_fields_that_nothing_reads_and_rows_set_aside_are_told(tmp_path):
    rows = [{"id": 1, "prompt": f"p{n}", "response": "yes", "label": n > 0, "url": "x"} for n in range(3)]
    file = write_jsonl(tmp_path / "a.jsonl", rows)
    found = read(file, ids="row")
    assert [example.id for example in found.examples.examples] == ["a:2", "a:3"]
    told = [note.partition(": ")[2] for note in found.notes]
    assert told == ["1 row was set aside: label false.", "fields not read: url."]


def chat_model(folder, template):
    model = save_chat(folder / "model", template)
    return lambda path, **options: reader_of(
        model, select_config({"data": path, "selector": "random", "budget": 0.5, **options}, "in a test")
    ).read([str(path)], options.get("turns", "last"))


def test_what_a_chat_template_does_not_write_is_a_bad_row(tmp_path):
    talk = [{"role": role, "content": role} for role in ("user", "assistant", "tool", "assistant")]
    file = write_jsonl(tmp_path / "a.jsonl", [{"messages": talk, "id": "t"}, {"prompt": "p", "response": "r"}])
    read_chat = chat_model(tmp_path, STRICT)
    with pytest.raises(DataError, match=r"a\.jsonl:1 has a text in turn 3 \(tool\)"):
        read_chat(file, template="chat")
    found = read_chat(file, template="chat", on_bad_row="skip", max_bad_share=0.5)
    assert [row.line for row in found.examples.bad_rows] == [1]
    assert len(found.tokens) == 1


def test_rendered_texts_are_read_as_they_stand(tmp_path):
    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"
    file = write_jsonl(tmp_path / "a.jsonl", [{"text": text}])
    read_chat = chat_model(tmp_path, CHATML)
    found = read_chat(file, template="rendered")
    assert found.tokens[0].response_length == len("hello") + 1
    assert found.notes == ()
    assert "spell marks of the tokenizer" in read_chat(file).notes[0]
    with pytest.raises(DataError, match="is rendered already"):
        read_chat(file, template="chat")


def test_rendered_texts_are_never_cut(tmp_path):
    with pytest.raises(ConfigError, match=r"`on_long`.*must be error or skip under `template: rendered`"):
        read(tmp_path / "a.jsonl", template="rendered", on_long="truncate_prompt")


def test_prompts_that_were_cut_are_noted(tmp_path):
    rows = [{"prompt": "p" * (5000 * (n < 2)), "response": "r", "id": n} for n in range(9)]
    found = read(write_jsonl(tmp_path / "a.jsonl", rows), on_long="truncate_prompt")
    assert found.notes == (
        "The prompts of 2 of 9 examples were cut on the left to fit into 1024 tokens (`on_long: truncate_prompt`).",
    )
