"""Which tokens end an answer: those that the folder names, and those that its chat template closes answers with."""

import json

import pytest

from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.models.ends import named_ends
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for, with_chat
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


def plain_marks(folder, **options):
    """A model whose tokenizer added the marks of turns as plain words."""
    save_chat(folder, CHATML, **options)
    told = json.loads((folder / "tokenizer.json").read_text())
    for token in told["added_tokens"]:
        token["special"] = token["special"] and "im_" not in token["content"]
    (folder / "tokenizer.json").write_text(json.dumps(told))
    return folder


def test_an_end_that_is_a_plain_word_of_the_tokenizer_is_text_where_a_text_spells_it(tmp_path):
    folder = plain_marks(tmp_path / "model")
    spelled = "it is <|im_end|> ok"
    tokenizer, ids = answer(folder, spelled)
    assert tokenizer.shown(ids) == f"{spelled}<|im_end|>"
    assert [token in tokenizer.end_ids for token in ids] == [False] * len(spelled) + [True]
    assert tokenizer.chat.look(Example("a", "Hi", spelled)).mark == "<|im_end|>"


def test_so_it_is_under_the_plain_template_where_the_folder_names_it(tmp_path):
    folder = plain_marks(tmp_path / "model", ends=("<|im_end|>",))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode_text("<|im_end|>") == list(b"<|im_end|>")
    assert tokenizer.spelled("<|im_end|>") == "<|im_end|>"


def test_a_rendered_text_closed_by_it_is_closed(tmp_path):
    tokenizer = tokenizer_for(plain_marks(tmp_path / "model"), "rendered")
    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n"
    tokens = encode(Example("a", "", text), tokenizer, 400)
    assert tokenizer.shown(tokens.ids[tokens.prompt_length :]) == "Yo<|im_end|>"
    assert tokenizer.chat.look(Example("a", "", text)).notes == ()
