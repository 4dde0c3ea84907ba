import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DivergedError
from farsighted.core.values import Example, ItemScores, Tokens
from farsighted.evaluation.sets import EvaluationSet, chance_of, evaluate, normalised
from farsighted.learners.base import Likelihoods
from farsighted.testing.fake_learner import FakeLearner


def text(name, length=2, choices=(), answer=None):
    return Tokens(Example(name, "p", "r", choices=choices, answer_index=answer), tuple(range(1 + length)), 1)


def item_set(items, options=None, measure="exact_match", chance=0.0, ceiling=1.0):
    return EvaluationSet("math", tuple(items), tuple(options or [()] * len(items)), measure, chance, ceiling)


class Scripted:
    """A learner that knows the summed NLL and the share of right tokens of each text by its id."""

    def __init__(self, **known):
        self.known = known
        self.asked = []

    def likelihoods(self, texts):
        self.asked.append([tokens.example.id for tokens in texts])
        nll, hits = zip(*(self.known[tokens.example.id] for tokens in texts), strict=True)
        return Likelihoods(np.array(nll), np.array(hits), np.array([float(tokens.response_length) for tokens in texts]))


def test_each_item_is_scored_by_loss_right_tokens_and_exact_match():
    learner = Scripted(a=(6.0, 0.5), b=(0.5, 1.0), c=(3.0, 0.0))
    scores = evaluate(learner, item_set([text("a", 4), text("b", 5), text("c", 3)]))
    assert scores.ids == ("a", "b", "c")
    assert scores.nll.tolist() == [1.5, 0.1, 1.0]
    assert scores.token_accuracy.tolist() == [0.5, 1.0, 0.0]
    assert scores.exact_match.tolist() == [0.0, 1.0, 0.0]
    assert np.isnan(scores.choice_accuracy).all()


def test_items_and_options_are_read_in_one_pass_and_choices_compared_by_their_sum():
    items = [text("a", choices=("x", "y"), answer=1), text("b"), text("c", choices=("x", "y", "z"), answer=0)]
    options = [(text("a0", 1), text("a1", 9)), (), (text("c0"), text("c1"), text("c2"))]
    known = {"a0": (5.0, 0), "a1": (4.5, 0), "c0": (2.0, 0), "c1": (1.0, 0), "c2": (3.0, 0)}
    learner = Scripted(a=(1.0, 1.0), b=(1.0, 1.0), c=(1.0, 1.0), **known)
    scores = evaluate(learner, item_set(items, options, "choice_accuracy"))
    np.testing.assert_array_equal(scores.choice_accuracy, [1.0, np.nan, 0.0])
    assert learner.asked == [["a", "b", "c", "a0", "a1", "c0", "c1", "c2"]]


@pytest.mark.parametrize("nll", [np.nan, np.inf])
def test_a_likelihood_that_is_not_finite_is_no_score(nll):
    learner = Scripted(a=(1.0, 1.0), b=(nll, 0.0))
    with pytest.raises(DivergedError, match="The likelihood is not finite for b") as raised:
        evaluate(learner, item_set([text("a"), text("b")]))
    assert raised.value.example_ids == ("b",)


def test_evaluating_leaves_a_learner_as_it_was():
    learner = FakeLearner()
    learner.begin_stage(3)
    before = {**learner.parameters(), **learner.optimizer_state()}
    evaluate(learner, item_set([text("a"), text("b")]))
    after = {**learner.parameters(), **learner.optimizer_state()}
    assert all(np.array_equal(before[name], after[name]) for name in before)


def scores(**measures):
    nothing = np.full(3, np.nan)
    rest = {"nll": nothing, "token_accuracy": nothing, "exact_match": nothing, "choice_accuracy": nothing}
    return ItemScores(("a", "b", "c"), **{**rest, **measures})


def test_a_score_is_the_share_of_the_way_from_chance_to_the_ceiling():
    found = scores(choice_accuracy=np.array([0.25, 1.0, 0.0]))
    # 100 (raw - 1/4) / (3/4 - 1/4): chance is 0, the ceiling 100; above and below are not cut off.
    points = normalised(found, item_set([], measure="choice_accuracy", chance=0.25, ceiling=0.75))
    assert points.tolist() == [0.0, 150.0, -50.0]


def test_a_measure_that_does_not_apply_to_an_item_gives_nan_and_not_0():
    found = scores(choice_accuracy=np.array([np.nan, 1.0, 0.0]), exact_match=np.ones(3))
    np.testing.assert_array_equal(normalised(found, item_set([], measure="choice_accuracy")), [np.nan, 100.0, 0.0])
    np.testing.assert_array_equal(normalised(found, item_set([], measure="exact_match")), [100.0] * 3)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 60), st.integers(1, 60))
def test_a_thinned_set_is_evenly_spaced_from_end_to_end(size, count):
    names = [f"e{row}" for row in range(size)]
    whole = item_set([text(name) for name in names], [(text(f"{name}#0"),) for name in names], chance=0.1, ceiling=0.9)
    thin = whole.thinned(count)
    rows = [names.index(item.example.id) for item in thin.items]
    assert len(rows) == min(count, size)
    assert rows == sorted(rows)
    if len(rows) > 1:
        assert (rows[0], rows[-1]) == (0, size - 1)
        assert np.ptp(np.diff(rows)) <= 1
    assert [options[0].example.id for options in thin.options] == [f"e{row}#0" for row in rows]
    assert (thin.name, thin.measure, thin.chance, thin.ceiling) == ("math", "exact_match", 0.1, 0.9)


def test_guessing_is_one_over_the_number_of_choices_and_nothing_elsewhere():
    items = [text("a", choices=("x", "y")), text("b", choices=("x", "y", "z", "w"))]
    assert chance_of(items, "choice_accuracy") == 0.375
    assert chance_of(items, "exact_match") == chance_of(items, "token_accuracy") == 0.0
