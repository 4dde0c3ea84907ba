import numpy as np

from farsighted.candidates.pool_work import PoolWork, reference_pass, signals_from
from farsighted.testing.fake_learner import FakeLearner
from farsighted.testing.signals import sample_texts
from oracles import own_signals  # noqa: F401 — it registers its signals

POOL = sample_texts(4)


def test_two_works_add_up():
    one, other = PoolWork({"a": np.ones(2)}, 1.0, 2, 3), PoolWork({"b": np.zeros(2)}, 10.0, 20, 30)
    both = one.plus(other)
    assert (both.rows.keys(), *both[1:]) == ({"a", "b"}, 11.0, 22, 33)


def test_a_reference_pass_scores_each_response_token_once():
    work = reference_pass(FakeLearner(), POOL, frozenset({"nll"}))
    assert work.rows["nll"].tolist() == FakeLearner().signals(POOL, frozenset({"nll"}))["nll"].tolist()
    assert (work.scored_tokens, work.trained_tokens) == (sum(tokens.response_length for tokens in POOL), 0)


def test_signals_from_work_come_at_its_price():
    work = PoolWork({"nll": np.array([[2.0, 1.0]] * 4)}, 5.0, 7, 9)
    found = signals_from(work, ["learned"], POOL)
    assert found.rows["learned"].tolist() == [1.0] * 4
    assert found.seconds >= 5.0
    assert (found.scored_tokens, found.trained_tokens) == (7, 9)
