import json

import pytest

from farsighted.core.errors import ModelError
from farsighted.models.limits import check_tokens, ids_of
from farsighted.models.tokenizer import load_tokenizer
from oracles.tiny_folder import VOCABULARY, read_texts


def with_token(folder, text="<|tool|>"):
    """Add a token to the tokenizer and none to the model."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    tokenizer["added_tokens"].append({"id": VOCABULARY, "content": text, **flags})
    path.write_text(json.dumps(tokenizer))
    return folder


def checked(folder, *texts, tokenizer=True):
    known = load_tokenizer(folder) if tokenizer else None
    pairs = [("short", text) for text in texts]
    return check_tokens(folder, known, [("the pool of 'a'", ids_of(read_texts(folder, *pairs)))])


@pytest.mark.parametrize("tokenizer", [True, False])
def test_a_token_without_an_embedding_is_refused_with_how_many_rows_are_missing(folder, tokenizer):
    sentence = r"the pool of 'a' has token 259 \('<\|tool\|>'\) and the model in .* has 259 rows: 1 are missing.*resize"
    with pytest.raises(ModelError, match=sentence):
        checked(with_token(folder), "fine", "<|tool|>call", tokenizer=tokenizer)


def test_tokens_that_no_text_uses_are_only_noted(folder):
    (note,) = checked(with_token(folder), "fine")
    assert "has 1 tokens beyond the model's 259 embeddings; no text here uses them." in note


@pytest.mark.parametrize("tokenizer", [True, False])
def test_a_tokenizer_that_fits_is_nothing_to_tell(folder, tokenizer):
    assert checked(folder, "fine", tokenizer=tokenizer) == ()


def test_a_model_that_does_not_say_its_rows_is_left_to_the_loading(folder):
    (folder / "config.json").write_text("{}")
    assert check_tokens(folder, None, [("a", [(10**6,)])]) == ()
