import json

import numpy as np
import pytest

pytest.importorskip("sentence_transformers")

from farsighted import api
from farsighted.candidates import embeddings as embedding
from farsighted.candidates.embeddings import sentence_embeddings
from farsighted.core.errors import ModelError
from farsighted.core.values import Example, Tokens
from farsighted.models.folder import sentence_model
from farsighted.store.cache import ArrayCache
from oracles.micro import nano_config
from oracles.sentence_model import save_sentence_model

TEXTS = [Tokens(Example(f"e{n}", f"ask {n}", "say"), (1, 2, 3), 1) for n in range(5)]


class Counting:
    """Embeds a text as its length, and notes what it was asked."""

    def __init__(self, fails_at=99):
        self.asked, self.fails_at = [], fails_at

    def embed(self, texts):
        if len(self.asked) == self.fails_at:
            raise KeyboardInterrupt
        self.asked.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(embedding, "_CHUNK", 2)


def test_prompt_and_response_are_embedded_in_the_order_given(tmp_path):
    encoder = Counting()
    found = sentence_embeddings(encoder, "h", TEXTS, ArrayCache(tmp_path, 10**6))
    assert found.embedding_ND.shape == (5, 2)
    assert encoder.asked[0] == ["ask 0\nsay", "ask 1\nsay"]
    assert [len(part) for part in encoder.asked] == [2, 2, 1]


def test_an_interruption_keeps_what_was_embedded(tmp_path):
    entries = ArrayCache(tmp_path, 10**6)
    with pytest.raises(KeyboardInterrupt):
        sentence_embeddings(Counting(fails_at=2), "h", TEXTS, entries)
    encoder = Counting()
    again = sentence_embeddings(encoder, "h", TEXTS, entries)
    assert [len(part) for part in encoder.asked] == [1]
    assert again.seconds > 0
    np.testing.assert_array_equal(again.embedding_ND[:, 0], [len("ask 0\nsay")] * 5)


def test_another_model_finds_nothing_of_this_one(tmp_path):
    entries = ArrayCache(tmp_path, 10**6)
    for model_hash in ("one", "other"):
        encoder = Counting()
        sentence_embeddings(encoder, model_hash, TEXTS, entries)
        assert len(encoder.asked) == 3


def test_an_audit_takes_its_embeddings_from_the_model_that_is_named(tmp_path):
    folders = [save_sentence_model(tmp_path / str(seed), seed) for seed in (1, 2)]
    ids = []
    for number, embedder in enumerate([None, *folders, folders[0]]):
        config = nano_config(
            tmp_path, selectors=["random", "diversity"], signals={"embedding": embedder and str(embedder)}
        )
        paths = api.audit(config, tmp_path / f"out{number}", executor="inline")
        results = json.loads(paths.results.read_text())
        assert {cell["status"] for cell in results["cells"]} == {"done"}
        ids.append([cell["id"] for cell in json.loads((tmp_path / f"out{number}/audit.json").read_text())["cells"]])
    assert ids[1] == ids[3]
    assert len({tuple(found) for found in ids}) == 3


def test_where_the_model_lies_does_not_matter_but_what_it_is(tmp_path):
    one, twin = (sentence_model(str(save_sentence_model(tmp_path / name, 1))) for name in ("a", "b"))
    assert one[1] == twin[1]


def test_a_path_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"`signals.embedding` must be a folder or hub name"):
        sentence_model(str(tmp_path))
