import pytest

from farsighted.core.errors import DataError
from farsighted.data import long_rows
from farsighted.data.long_rows import encode_all
from farsighted.data.templates import encode_pool
from farsighted.files.formats import read_examples
from farsighted.models.folder import model_folder
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for
from oracles.chat_folder import CHATML, save_chat
from oracles.micro import write_jsonl

TOKENIZER = load_tokenizer(model_folder("tiny"))


def examples(folder, *lengths):
    return read_examples([write_jsonl(folder / "a.jsonl", [{"prompt": "p" * n, "response": "r"} for n in lengths])])


def test_what_fits_is_as_if_it_was_read_in_file_order(tmp_path):
    found = examples(tmp_path, 5, 90, 1, 40)
    assert encode_all(found, TOKENIZER, 100) == encode_pool(found.examples, TOKENIZER, 100)


def test_all_that_are_too_long_are_counted_and_the_longest_are_named_first(tmp_path):
    """The tiny model reads bytes: prompt, line break, response and end token."""
    with pytest.raises(DataError, match=r"the model's 100 tokens, but 4 of 6 are longer\. Give --on-long skip") as told:
        encode_all(examples(tmp_path, 500, 3, 98, 300, 97, 400), TOKENIZER, 100)
    named = [line.strip() for line in str(told.value).splitlines()[1:]]
    assert [line.split(" ")[0] for line in named] == ["'a:1'", "'a:6'", "'a:4'"]
    assert named[0].endswith("a.jsonl:1) has 503")


def test_a_chat_template_may_write_more_than_the_bytes_of_the_texts(tmp_path):
    """What it adds of its own accord is not counted before the work, so the number is the least there may be."""
    default = "{% if messages[0].role != 'system' %}" + "You are a model. " * 9 + "{% endif %}" + CHATML
    tokenizer = tokenizer_for(save_chat(tmp_path / "model", default), "chat")
    with pytest.raises(DataError, match=r"the model's 100 tokens, but at least 1 of 3 are longer"):
        encode_all(examples(tmp_path, 60, 3, 2), tokenizer, 100)


def test_short_ones_are_not_looked_at_once_one_is_too_long(tmp_path, monkeypatch):
    looked_at = []

    def counting(some, *rest):
        looked_at.extend(some)
        return encode_pool(some, *rest)

    monkeypatch.setattr(long_rows, "encode_pool", counting)
    with pytest.raises(DataError, match="1 of 200 are longer"):
        encode_all(examples(tmp_path, *[5] * 150, 500, *[5] * 49), TOKENIZER, 100)
    assert len(looked_at) == 1
