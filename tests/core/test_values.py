import dataclasses

import numpy as np
import pytest

from farsighted.core.values import Budget, Example, Pool, Signals, Tokens


def tokens(name, prompt, response):
    return Tokens(Example(name, "p", "r"), tuple(range(prompt + response)), prompt)


def test_the_response_of_an_example_is_what_follows_the_prompt():
    assert tokens("a", 3, 2).response_length == 2


def test_a_pool_counts_examples_and_their_response_tokens():
    pool = Pool("math", (tokens("a", 3, 2), tokens("b", 1, 4)))
    assert (len(pool), pool.response_tokens) == (2, 6)


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget(0.25), "25%"),
        (Budget(0.125, "examples"), "12.5% examples"),
        (Budget(5000, "tokens", "number"), "5000 tokens"),
        (Budget(200, "examples", "number"), "200 examples"),
    ],
)
def test_a_budget_reads_as_it_is_written(budget, text):
    assert str(budget) == text


def test_signals_are_looked_up_by_name_wherever_they_belong():
    signals = Signals(("a", "b"), {"nll": np.array([1.0, 2.0])}, {"cluster_count": np.array(4)})
    assert len(signals) == 2
    assert (signals["nll"].tolist(), int(signals["cluster_count"])) == ([1.0, 2.0], 4)
    assert "nll" in signals
    assert "cluster_count" in signals
    assert "entropy" not in signals
    with pytest.raises(KeyError, match="entropy"):
        signals["entropy"]


def test_taking_candidates_keeps_the_order_asked_for_and_the_context():
    rows = {"nll": np.array([1.0, 2.0, 3.0]), "hidden": np.arange(6.0).reshape(3, 2)}
    taken = Signals(("a", "b", "c"), rows, {"cluster_count": np.array(4)}).take([2, 0])
    assert taken.ids == ("c", "a")
    assert taken["nll"].tolist() == [3.0, 1.0]
    assert taken["hidden"].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert int(taken["cluster_count"]) == 4


def test_nobody_can_be_taken():
    assert len(Signals(("a",), {"nll": np.ones(1)}).take(np.empty(0))) == 0


def test_values_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Budget(0.25).amount = 0.5
