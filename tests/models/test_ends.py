"""Which tokens end an answer: those that the folder names, and those that its chat template closes answers with."""

import json

import pytest

from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.models.ends import named_ends
from farsighted.models.tokenizer import load_tokenizer, with_chat
from oracles.chat_models import CHATML, LOOP, save_chat
from oracles.tiny_folder import save_tiny

END = 258


def name_ends(folder, generation, config):
    for file, ends in (("generation_config.json", generation), ("config.json", config)):
        settings = json.loads((folder / file).read_text())
        settings.pop("eos_token_id", None)
        settings |= {} if ends is None else {"eos_token_id": ends}
        (folder / file).write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("generation", "config", "ends"),
    [
        (7, 9, (END, 7)),
        ([7, END, 8], None, (END, 7, 8)),
        (None, 9, (END, 9)),
        (None, [9, 7], (END, 9, 7)),
        ([], 9, (END, 9)),
        (None, None, (END,)),
    ],
)
def test_ends_are_those_of_the_generation_settings_or_else_of_the_configuration(tmp_path, generation, config, ends):
    folder = save_tiny(tmp_path / "model")
    name_ends(folder, generation, config)
    assert named_ends(folder, END) == ends
    assert load_tokenizer(folder).end_ids == ends


def test_a_model_with_other_parts_names_its_ends_in_the_text_part(tmp_path):
    folder = save_tiny(tmp_path / "model")
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    del config["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config | {"text_config": {"eos_token_id": [5, 6]}}))
    assert load_tokenizer(folder).end_ids == (END, 5, 6)


def answer(folder, text="Yo"):
    tokenizer = with_chat(load_tokenizer(folder), folder)
    tokens = encode(Example("a", "Hi", text), tokenizer, 400)
    return tokenizer, tokens.ids[tokens.prompt_length :]


@pytest.mark.parametrize("mark", ["<|im_end|>", "<|END_OF_TURN|>", "<turn/>"])
def test_the_mark_that_a_template_closes_answers_with_is_taught_and_ends_them_whatever_it_is_called(tmp_path, mark):
    folder = save_chat(tmp_path / "model", CHATML.replace("<|im_end|>", mark), ("<|im_start|>", mark))
    tokenizer, ids = answer(folder)
    closing = tokenizer.tokenizer.token_to_id(mark)
    assert (tokenizer.end_id, tokenizer.end_ids) == (END, (END, closing))
    assert tokenizer.chat.end_ids == {END, closing}
    assert tokenizer.shown(ids) == f"Yo{mark}"


def test_what_follows_the_first_closing_mark_is_not_taught(tmp_path):
    twice = CHATML.replace(
        "<|im_end|>\n{% endfor %}",
        "<|im_end|>\n{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}",
    )
    assert twice != CHATML
    tokenizer, ids = answer(save_chat(tmp_path / "model", twice))
    assert tokenizer.shown(ids) == "Yo<|im_end|>"


def test_a_mark_between_parts_of_an_answer_ends_nothing(tmp_path):
    parts = (
        "{% for m in messages %}<|start|>{{ m['role'] }}{% if m['role'] == 'assistant' %}<|part|><|start|>last"
        "{% endif %}{{ m['content'] }}<|return|>{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
    )
    folder = save_chat(tmp_path / "model", parts, ("<|start|>", "<|part|>", "<|return|>"))
    tokenizer, ids = answer(folder)
    assert tokenizer.end_ids == (END, tokenizer.tokenizer.token_to_id("<|return|>"))
    assert tokenizer.shown(ids) == "<|part|><|start|>lastYo<|return|>"


def test_a_mark_that_the_tokenizer_does_not_know_is_taught_as_text_before_the_end_token(tmp_path):
    folder = save_chat(tmp_path / "model", CHATML, ())
    tokenizer, ids = answer(folder)
    assert tokenizer.end_ids == (END,)
    assert tokenizer.shown(ids) == "Yo<|im_end|><|end|>"


def test_a_template_that_closes_with_the_end_token_adds_none(tmp_path):
    tokenizer, ids = answer(save_chat(tmp_path / "model", LOOP.replace("CLOSE", "{{ eos_token }}"), ()))
    assert tokenizer.end_ids == (END,)
    assert tokenizer.shown(ids) == "Yo<|end|>"


def test_a_template_that_refuses_the_shortest_conversation_closes_with_the_end_token(tmp_path):
    strict = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
    folder = save_chat(tmp_path / "model", strict)
    assert with_chat(load_tokenizer(folder), folder).end_ids == (END,)


def test_under_the_plain_template_the_end_token_alone_is_taught(tmp_path):
    folder = save_chat(tmp_path / "model", CHATML)
    name_ends(folder, [END, 7], None)
    tokenizer = load_tokenizer(folder)
    tokens = encode(Example("a", "Hi", "Yo"), tokenizer, 400)
    assert tokenizer.end_ids == (END, 7)
    assert tokens.ids[tokens.prompt_length :] == (*b"Yo", END)
