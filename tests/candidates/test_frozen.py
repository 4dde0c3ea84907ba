import numpy as np

from farsighted.candidates.frozen import FrozenModel, SentenceModel
from farsighted.candidates.kept_signals import SignalCache
from farsighted.core.values import Example, Tokens
from farsighted.store.cache import ArrayCache
from farsighted.testing.fake_learner import FakeLearner

TEXTS = [Tokens(Example(f"e{n}", "p" * n, "r"), (1, 2 + n, 3), 1) for n in range(4)]


class Lengths:
    """Embeds a text as its length; keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts])


def frozen(folder, sentences=None):
    return FrozenModel(FakeLearner(), SignalCache(ArrayCache(folder, 10**8), "model", None, 999), sentences)


def test_the_model_embeds_where_nothing_else_does(tmp_path):
    names = frozenset({"embedding", "nll"})
    found, direct = frozen(tmp_path).signals(TEXTS, names), FakeLearner().signals(TEXTS, names)
    for name in names:
        np.testing.assert_array_equal(found.rows[name], direct[name])


def test_a_sentence_model_embeds_alone_and_is_not_asked_twice(tmp_path):
    lengths = Lengths()
    for _ in range(2):
        found = frozen(tmp_path, SentenceModel(lengths, "key")).signals(TEXTS, frozenset({"embedding", "nll"}))
    assert found.rows["embedding"][:, 0].tolist() == [len("p" * n) + len("\nr") for n in range(4)]
    np.testing.assert_array_equal(found.rows["nll"], FakeLearner().signals(TEXTS, frozenset({"nll"}))["nll"])
    assert len(lengths.asked) == 1


def test_nothing_embeds_where_no_embedding_is_asked_for(tmp_path):
    lengths = Lengths()
    assert frozen(tmp_path, SentenceModel(lengths, "key")).signals(TEXTS, frozenset({"nll"})).rows.keys() == {"nll"}
    assert frozen(tmp_path, SentenceModel(lengths, "key")).signals(TEXTS, frozenset()).rows == {}
    assert lengths.asked == []
