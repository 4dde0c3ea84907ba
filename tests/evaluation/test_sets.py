import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DivergedError, ModelError
from farsighted.core.measures import MEASURES, measures_of
from farsighted.core.values import Example, Gold, ItemScores, Tokens
from farsighted.evaluation.choices import RULES
from farsighted.evaluation.generation import GRADERS, Generation
from farsighted.evaluation.sets import OF_RESPONSE, EvaluationSet, chance_of, evaluate, normalised
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
    assert scores.raw["token_accuracy"].tolist() == [0.5, 1.0, 0.0]
    assert scores.raw["exact_match"].tolist() == [0.0, 1.0, 0.0]
    assert np.isnan(scores.raw["choice_accuracy"]).all()


def test_items_and_options_are_read_in_one_pass_and_choices_compared_by_their_sum():
    items = [text("a", choices=("x", "y"), answer=1), text("b"), text("c", choices=("x", "y", "z"), answer=0)]
    options = [(text("a0", 1), text("a1", 9)), (), (text("c0"), text("c1"), text("c2"))]
    known = {"a0": (5.0, 0), "a1": (4.5, 0), "c0": (2.0, 0), "c1": (1.0, 0), "c2": (3.0, 0)}
    learner = Scripted(a=(1.0, 1.0), b=(1.0, 1.0), c=(1.0, 1.0), **known)
    scores = evaluate(learner, item_set(items, options, "choice_accuracy"))
    np.testing.assert_array_equal(scores.raw["choice_accuracy"], [1.0, np.nan, 0.0])
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
    return ItemScores(("a", "b", "c"), np.full(3, np.nan), measures)


def test_a_score_is_the_share_of_the_way_from_chance_to_the_ceiling():
    found = scores(choice_accuracy=np.array([0.25, 1.0, 0.0]))
    # 100 (raw - 1/4) / (3/4 - 1/4): chance is 0, the ceiling 100; above and below are not cut off.
    points = normalised(found, item_set([], measure="choice_accuracy", chance=0.25, ceiling=0.75))
    assert points.tolist() == [0.0, 150.0, -50.0]


def test_a_measure_that_does_not_apply_to_an_item_gives_nan_and_not_0():
    found = scores(choice_accuracy=np.array([np.nan, 1.0, 0.0]), exact_match=np.ones(3))
    np.testing.assert_array_equal(normalised(found, item_set([], measure="choice_accuracy")), [np.nan, 100.0, 0.0])
    np.testing.assert_array_equal(normalised(found, item_set([], measure="exact_match")), [100.0] * 3)


@settings(max_examples=60)
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


def test_guessing_is_what_the_measure_and_its_options_say():
    gold = Gold(true_answers=("t", "u"), false_answers=("f", "g", "h"))
    items = [text("a", choices=("x", "y")), text("b", choices=("x", "y", "z", "w"))]
    options = [[text("o")] * 2, [text("o")] * 4]
    assert chance_of(items, options, "choice_accuracy", 9) == chance_of(items, options, "letter_accuracy", 9) == 0.375
    assert chance_of(items, options, "exact_match", 9) == chance_of(items, options, "pass_at_1", 9) == 0.0
    assert (chance_of(items, options, "preference", 9), chance_of(items, options, "perplexity", 9)) == (0.5, 9)
    truths = [Tokens(Example("a", "p", "r", gold=gold), (1, 2), 1)]
    assert chance_of(truths, [[text("o")] * 5], "mc2", 9) == 2 / 5
    # MC1 is won by the best true answer against three false ones; the other true one does not take part.
    assert chance_of(truths, [[text("o")] * 5], "mc1", 9) == 1 / 4


def test_perplexity_is_the_exponential_of_an_items_loss_and_lower_is_better():
    learner = Scripted(a=(2 * np.log(4.0), 0.5), b=(0.0, 1.0))
    found = item_set([text("a"), text("b")], measure="perplexity", chance=9.0, ceiling=1.0)
    scores = evaluate(learner, found)
    assert scores.raw["perplexity"] == pytest.approx([4.0, 1.0])
    # 100 (4 - 9) / (1 - 9) = 62.5
    assert normalised(scores, found) == pytest.approx([62.5, 100.0])


class Writer(Scripted):
    """Writes what it is told, by prompt."""

    def __init__(self, answers, **known):
        super().__init__(**known)
        self.answers = answers

    def generate(self, prompts, max_new_tokens, is_done):
        found = []
        for prompt in prompts:
            ids = self.answers[prompt]
            ends = [end for end in range(1, len(ids) + 1) if is_done(ids[:end])]
            found.append(ids[: min([*ends, max_new_tokens])])
        return found


def test_what_the_model_writes_is_cut_at_the_stop_graded_and_kept():
    learner = Writer({(1,): [*b"#### 7Question: 8"], (2,): [*b"It is 7."]}, a=(1.0, 0.0), b=(1.0, 0.0))
    items = tuple(Tokens(Example(name, "p", "#### 7"), (1, 2), 1) for name in "ab")
    generation = Generation(((1,), (2,)), 99, ("Question:",), lambda ids: bytes(ids).decode())
    found = EvaluationSet("math", items, ((), ()), "gsm8k_strict", 0.0, 1.0, generation)
    scores = evaluate(learner, found)
    assert scores.generated == ("#### 7", "It is 7.")
    assert scores.raw["gsm8k_strict"].tolist() == [1, 0]
    assert scores.raw["gsm8k_flexible"].tolist() == [1, 1]
    assert scores.raw["format_failure"].tolist() == [0, 1]
    assert found.thinned(1).generation.prompts == ((1,),)


def test_a_learner_that_writes_nothing_is_refused_where_a_measure_reads_what_it_writes():
    generation = Generation(((1,),), 9, (), str)
    with pytest.raises(ModelError, match="FakeLearner writes no text"):
        evaluate(FakeLearner(), dataclasses.replace(item_set([text("a")], measure="token_f1"), generation=generation))


def test_every_measure_of_the_table_has_its_function_where_what_it_reads_is_looked_at():
    by_reads = {
        **dict.fromkeys(("response",), OF_RESPONSE),
        **dict.fromkeys(("choices", "letters", "truths", "pair"), RULES),
        **dict.fromkeys(("number", "text"), GRADERS),
    }
    for reads, functions in by_reads.items():
        assert set(measures_of(reads)) <= set(functions)
    # Programs are run, and a task of lm-evaluation-harness brings its own.
    assert {*OF_RESPONSE, *RULES, *GRADERS, "pass_at_1", "harness"} == set(MEASURES)
