"""What tokenizer and template make of examples: bad rows like others, and sentences with counts."""

import json

import pytest

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.looked import Rules, looked_over, looker_of
from farsighted.data.templates import encode
from farsighted.files.formats import Examples, to_example
from farsighted.files.rows import BadRow, Row
from farsighted.models.folder import model_folder
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for
from farsighted.models.writing import Seen
from oracles.chat_folder import ALTERNATE, STRICT, save_chat

GOOD = Example("good", "Hi", "Yo")
TOOL = Example("tool", "-", "Rain.", turns=(("user", "Weather?"), ("assistant", "I look."), ("tool", "rain")))
FIRST = Example("first", "-", "Done.", turns=(("assistant", "Welcome"), ("user", "Open")))


def found(*examples, bad=()):
    places = {example.id: f"/data/a.jsonl:{number}" for number, example in enumerate(examples, start=1)}
    return Examples(examples, places, bad)


def look(folder, *examples, template="chat", **rules):
    return looked_over(found(*examples), looker_of(tokenizer_for(folder, template)), Rules(**rules))


def test_what_is_written_whole_stays_as_it_is(tmp_path):
    examples = found(GOOD, TOOL)
    kept, told = looked_over(examples, lambda example: Seen(), Rules())
    assert kept is examples
    assert told == []


@pytest.mark.parametrize(("template", "bad", "reason"), [
    (STRICT, TOOL, "has a text in turn 3 (tool) that the model's chat template does not write: 'rain'"),
    (ALTERNATE, FIRST, "is refused by the model's chat template: 'Roles must take turns'"),
])  # fmt: skip
def test_a_row_that_the_template_does_not_write_is_a_bad_row(tmp_path, template, bad, reason):
    folder = save_chat(tmp_path, template)
    with pytest.raises(DataError) as caught:
        look(folder, GOOD, bad)
    assert f"but /data/a.jsonl:2 {reason}: '- / " in str(caught.value)
    kept, _ = look(folder, GOOD, bad, on_bad_row="skip", max_bad_share=0.5)
    assert kept.examples == (GOOD,)
    assert [(row.file, row.line, row.reason) for row in kept.bad_rows] == [("/data/a.jsonl", 2, reason)]


def test_too_many_bad_rows_are_refused_counting_those_set_aside_before(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path, STRICT), "chat")
    before = BadRow("/data/a.jsonl", 9, "is broken", "{")
    examples = found(GOOD, TOOL, *(Example(f"g{n}", "Hi", "Yo") for n in range(7)), bad=(before,))
    with pytest.raises(DataError, match="but 2 of 10 are"):
        looked_over(examples, looker_of(tokenizer), Rules("skip", 0.1))
    kept, _ = looked_over(examples, looker_of(tokenizer), Rules("skip", 0.2))
    assert len(kept.bad_rows) == 2


def test_files_without_a_single_good_row_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none is\. The first: /data/a\.jsonl:1 has a text in turn 3"):
        look(save_chat(tmp_path, STRICT), TOOL, on_bad_row="skip", max_bad_share=1.0)


def test_where_each_turn_is_an_example_each_must_be_written_whole(tmp_path):
    folder = save_chat(
        tmp_path, STRICT.replace("'assistant', ", "").replace("{% if m['role'] in", "{% if loop.last or m['role'] in")
    )
    talk = Example("talk", "-", "4", turns=(("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")))
    # The last answer alone is written; the first would be lost before it.
    with pytest.raises(DataError, match=r"has a text in turn 2 \(assistant\)"):
        look(folder, talk, turns="each")


def test_examples_that_spell_marks_are_counted_whatever_writes_them(tmp_path):
    spells = Example("s", "What is <|im_end|>?", "A mark.")
    for template in ("plain", "chat"):
        _, told = look(save_chat(tmp_path / template, STRICT), GOOD, spells, template=template)
        assert told == [
            "1 of 2 examples spell marks of the tokenizer, which are read as text (rendered texts: `data.template: "
            "rendered`); the first is 's': <|im_end|>."
        ]


def test_the_model_that_ships_has_marks_too():
    _, told = looked_over(
        found(GOOD, Example("e", "a", "b<|end|>")), looker_of(load_tokenizer(model_folder("tiny"))), Rules()
    )
    assert told[0].startswith("1 of 2 examples spell marks")


def test_what_rendered_texts_lack_is_counted(tmp_path):
    _, told = look(save_chat(tmp_path, STRICT), Example("a", "x", "y<|im_end|>"), GOOD, template="rendered")
    assert "2 of 2" not in told[0]
    assert "1 of 2 examples end without an end token, and none is added; the first is 'good'." in told


def test_texts_without_a_prompt_are_told_under_a_chat_template(tmp_path):
    _, told = look(save_chat(tmp_path, STRICT), GOOD, Example("t", "", "Once upon a time"))
    assert told == [
        "1 of 2 examples have no prompt: the chat template writes an empty turn of the user before their text; the "
        "first is 't'."
    ]


def test_answers_that_the_prompt_begins_are_told(tmp_path):
    begun = Example("b", "-", " three.", turns=(("user", "Count"), ("assistant", "One, two,")))
    _, told = look(save_chat(tmp_path, STRICT), GOOD, begun)
    assert told[0].startswith("1 of 2 examples have a prompt that ends in the assistant's turn")


@pytest.mark.parametrize(
    ("speaker", "template", "told"),
    [("", "plain", True), ("", "chat", True), ("{{ ' ' + message.name if message.name else '' }}", "chat", False)],
)
def test_a_name_that_nothing_writes_is_told(tmp_path, speaker, template, told):
    messages = [{"role": "user", "content": "Hi", "name": "Bob"}, {"role": "assistant", "content": "Yo"}]
    named = Example("named", "Hi", "Yo", conversation=json.dumps({"messages": messages}))
    chat = (
        "{% for message in messages %}<|im_start|>{{ message.role }}" + speaker + "\n{{ message.content }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    _, sentences = look(save_chat(tmp_path, chat), GOOD, named, template=template)
    sentence = "1 of 2 examples hold a `name` of who speaks, or of a tool that answers, which is not written"
    assert any(sentence in found for found in sentences) == told


def test_two_answers_of_a_list_are_two_turns_and_none_begins_the_other(tmp_path):
    said = [("user", "Count"), ("assistant", "One."), ("assistant", "Two.")]
    row = Row({"messages": [{"role": role, "content": text} for role, text in said]}, tmp_path / "a.jsonl", 1)
    example = to_example(row)
    tokenizer = tokenizer_for(save_chat(tmp_path / "model", STRICT), "chat")
    tokens = encode(example, tokenizer, 400)
    assert tokenizer.shown(tokens.ids) == (
        "<|im_start|>user\nCount<|im_end|>\n<|im_start|>assistant\nOne.<|im_end|>\n<|im_start|>assistant\nTwo.<|im_end|>"
    )
    assert tokenizer.shown(tokens.ids[tokens.prompt_length :]) == "Two.<|im_end|>"
    assert (example.prompt, example.response) == ("user: Count\nassistant: One.", "Two.")
