import sys

import numpy as np
import pytest

pytest.importorskip("sentence_transformers")

from farsighted.core.errors import ModelError
from farsighted.models.sentence import SentenceEncoder, require_sentence_transformers
from oracles.sentence_model import save_sentence_model

TEXTS = ["What is 2 + 2?\n4", "a", "a longer text " * 8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_sentence_model(tmp_path_factory.mktemp("sentence"))


def test_embeddings_have_length_1_and_differ_between_texts(folder):
    found = SentenceEncoder(folder, "cpu").embed(TEXTS)
    assert found.shape == (3, 16)
    assert found.dtype == np.float32
    np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-5)
    assert np.abs(found @ found.T - 1)[~np.eye(3, dtype=bool)].min() > 1e-4


def test_the_same_texts_give_the_same_bits(folder):
    one, other = (SentenceEncoder(folder, "cpu").embed(TEXTS) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"cannot be loaded as a sentence-transformers model.*Name another"):
        SentenceEncoder(tmp_path).embed(TEXTS)


def test_a_missing_library_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelError, match=r"farsighted\[sentence-transformers\]"):
        require_sentence_transformers()
