import json

import pytest

from farsighted.core.errors import ModelError
from farsighted.models.tokenizer import load_tokenizer
from farsighted.worlds.tiny import EOS_ID, TINY_PATH, byte_tokenizer


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_model_that_ships_has_its_own_end_token():
    assert load_tokenizer(TINY_PATH).end_id == EOS_ID


@pytest.mark.parametrize("text", ["", "12 + 30 =", "größer ☃", "<|end|> is text", "  two\n\nlines "])
def test_a_text_is_read_as_it_is_without_special_tokens(folder, text):
    assert load_tokenizer(folder).encode_text(text) == list(text.encode())


def test_the_end_token_and_the_size_of_the_vocabulary_are_those_of_the_tokenizer(folder):
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.end_id, tokenizer.vocabulary_size) == (EOS_ID, 259)


def test_padding_and_truncation_that_were_saved_with_a_tokenizer_are_not_applied(folder):
    tokenizer = byte_tokenizer()
    tokenizer("a text", padding="max_length", truncation=True, max_length=4)
    tokenizer.save_pretrained(folder)
    saved = json.loads((folder / "tokenizer.json").read_text())
    assert saved["truncation"] is not None
    assert saved["padding"] is not None
    assert load_tokenizer(folder).encode_text("a text") == list(b"a text")
    assert load_tokenizer(folder).encode_text("a") == list(b"a")


@pytest.mark.parametrize(
    ("named", "config", "expected"),
    [
        ("<|begin|>", 7, 257),
        ({"content": "<|pad|>"}, 7, 256),
        (None, 7, 7),
        (None, [3, 4], 3),
        (None, 0, 0),
        ("<|unknown|>", 7, 7),
    ],
)
def test_the_end_token_is_the_tokenizers_or_else_the_first_of_the_configuration(folder, named, config, expected):
    change(folder / "tokenizer_config.json", eos_token=named)
    change(folder / "config.json", eos_token_id=config)
    assert load_tokenizer(folder).end_id == expected


@pytest.mark.parametrize("config", [None, []])
def test_a_tokenizer_without_an_end_token_is_refused(folder, config):
    (folder / "tokenizer_config.json").unlink()
    (folder / "generation_config.json").unlink()
    change(folder / "config.json", eos_token_id=config)
    with pytest.raises(ModelError, match="names no end token"):
        load_tokenizer(folder)


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_a_tokenizer_that_cannot_be_read_names_its_file(folder, text):
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer\.json' cannot be read"):
        load_tokenizer(folder)
