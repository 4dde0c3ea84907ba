from dataclasses import dataclass

import numpy as np
import pytest

from farsighted.core.errors import DivergedError, SelectorError
from farsighted.core.values import Ranking
from farsighted.selectors import Loss, Scored, Selector, Stateless, by_score, rank_checked
from oracles.selector_loops import signals_of

RNG = np.random.default_rng(0)
THREE = signals_of(nll=[1.0, 3.0, 2.0])


@dataclass(frozen=True)
class Answer(Stateless):
    """Returns what it was given."""

    ranking: Ranking
    name = "answer"
    needs = frozenset({"nll"})

    def rank(self, signals, state, rng):
        return self.ranking


def answer(order, score=(0.0, 0.0, 0.0), **components):
    parts = {name: np.array(values) for name, values in components.items()}
    return rank_checked(Answer(Ranking(np.array(order), np.array(score), parts)), THREE, {}, RNG)


def test_a_checked_ranking_has_one_type_whatever_the_selector_used():
    ranking = answer(np.array([2, 0, 1], dtype=np.int32), np.array([1, 2, 3]), part=np.float32([1, 2, 3]))
    assert ranking.order.dtype == np.intp
    assert ranking.score.dtype == ranking.components["part"].dtype == np.float64


@pytest.mark.parametrize(
    "order", [[0, 1], [0, 1, 1], [1, 2, 3], [0.0, 1.0, 2.0], [[0, 1, 2]][0] + [2], [True, False, True]]
)
def test_an_order_that_is_no_permutation_is_refused(order):
    with pytest.raises(SelectorError, match=r"order of selector 'answer' must hold each row number 0\.\.2 once"):
        answer(order)


def test_a_score_or_component_of_the_wrong_shape_is_refused():
    with pytest.raises(SelectorError, match="score of selector 'answer' must be 3 numbers"):
        answer([0, 1, 2], [[1.0], [2.0], [3.0]])
    with pytest.raises(SelectorError, match="component 'part' of selector 'answer' must be 3 numbers"):
        answer([0, 1, 2], part=[1.0])


def test_a_score_that_is_not_finite_names_the_examples():
    with pytest.raises(DivergedError, match="for 2 of 3 candidates") as caught:
        answer([0, 1, 2], [np.nan, 0.0, np.inf])
    assert caught.value.example_ids == ("a0", "a2")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_signal_that_is_not_finite_names_the_examples(value):
    with pytest.raises(DivergedError, match="Signal 'nll' must be finite") as caught:
        rank_checked(Loss(), signals_of(nll=[1.0, value, 2.0]), {}, RNG)
    assert caught.value.example_ids == ("a1",)


def test_a_signal_that_nobody_reads_may_hold_anything():
    signals = signals_of(nll=[1.0, 2.0], hidden=[[np.nan], [0.0]], quality=[np.nan, 0.0])
    assert rank_checked(Loss(), signals, {}, RNG).order.tolist() == [1, 0]


def test_a_context_that_is_not_finite_is_a_divergence_of_no_example():
    @dataclass(frozen=True)
    class Ahead(Scored):
        needs = frozenset({"proxy_sketch"})

        def score(self, signals, state):
            return np.zeros(len(signals))

    with pytest.raises(DivergedError, match="'proxy_sketch' must be finite"):
        rank_checked(Ahead(), signals_of({"proxy_sketch": [np.nan]}, nll=[1.0]), {}, RNG)


def test_a_missing_signal_is_named_with_those_that_are_there():
    with pytest.raises(SelectorError, match=r"needs the signal 'nll', which was not computed \(there are: tokens\)"):
        rank_checked(Loss(), signals_of(tokens=[1, 2]), {}, RNG)


def test_a_signal_of_another_length_is_refused():
    signals = signals_of(tokens=[1, 2])
    signals.rows["nll"] = np.ones(3)
    with pytest.raises(SelectorError, match=r"one row for each of 2 candidates, but has the shape \(3,\)"):
        rank_checked(Loss(), signals, {}, RNG)


def test_no_candidates_cannot_be_ranked():
    with pytest.raises(SelectorError, match="at least one candidate"):
        rank_checked(Loss(), THREE.take([]), {}, RNG)


def test_ties_keep_the_order_of_rows():
    assert by_score(np.array([1.0, 2.0, 1.0, 2.0, 2.0])).order.tolist() == [1, 3, 4, 0, 2]


def test_whole_number_scores_rank_without_overflow():
    lengths = np.array([3, 1, 2], dtype=np.uint8)
    assert by_score(lengths).order.tolist() == [0, 2, 1]


def test_shipping_selectors_satisfy_the_protocol_at_run_time():
    assert isinstance(Loss(), Selector)
    assert not isinstance("loss", Selector)


def weighed_by(weight):
    return rank_checked(Answer(Ranking(np.arange(3), np.zeros(3), weight=weight)), THREE, {}, RNG).weight


def test_weights_are_floats_and_none_stay_none():
    assert weighed_by(None) is None
    assert weighed_by(np.array([1, 0, 2], dtype=np.int8)).tolist() == [1.0, 0.0, 2.0]
    assert weighed_by([1, 0, 2]).dtype == np.float64


@pytest.mark.parametrize(
    ("weight", "error", "sentence"),
    [
        (np.ones(2), SelectorError, "The weight of selector 'answer' must be 3 numbers"),
        (np.ones((3, 1)), SelectorError, "The weight of selector 'answer' must be 3 numbers"),
        (np.array(["1", "1", "1"]), SelectorError, "The weight of selector 'answer' must be 3 numbers"),
        (np.array([1.0, -0.5, 1.0]), SelectorError, r"must be at least 0.*reach from -0\.5 to 1\. Clip or shift"),
        (np.zeros(3), SelectorError, "one of them above 0"),
        (np.array([1.0, np.nan, 1.0]), DivergedError, "The weight of selector 'answer' must be finite"),
        (np.array([1.0, np.inf, 1.0]), DivergedError, "The weight of selector 'answer' must be finite"),
    ],
)
def test_weights_that_cannot_be_multiplied_by_are_refused(weight, error, sentence):
    with pytest.raises(error, match=sentence):
        weighed_by(weight)
