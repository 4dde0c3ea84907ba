import numpy as np
import pytest

from farsighted.core.values import Example, Gold, Tokens
from farsighted.evaluation.choices import option_measures


def option(text="r"):
    return Tokens(Example("o", "p", text), (1, 2), 1)


def item(answer=None, **gold):
    return Tokens(Example("a", "p", "r", answer_index=answer, gold=Gold(**gold)), (1, 2), 1)


def hits(answers, counts, nll, measure="choice_accuracy", reads="choices"):
    items = [item(answer) for answer in answers]
    return option_measures(reads, items, [(option(),) * count for count in counts], np.array(nll))[measure].tolist()


@pytest.mark.parametrize(("measure", "reads"), [("choice_accuracy", "choices"), ("letter_accuracy", "letters")])
def test_an_item_is_right_where_the_gold_option_is_the_likeliest(measure, reads):
    assert hits([0, 1, 2], [2, 2, 3], [1, 2, 1, 2, 3, 2, 1], measure, reads) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("measure", ["choice_accuracy", "choice_accuracy_norm"])
def test_ties_go_to_the_first_option(measure):
    assert hits([0, 1], [2, 3], [1, 1, 2, 1, 1], measure) == [1.0, 1.0]
    assert hits([1, 2], [2, 3], [1, 1, 2, 1, 1], measure) == [0.0, 0.0]


def test_an_item_without_options_has_no_result_and_uses_up_no_likelihood():
    np.testing.assert_array_equal(hits([1, None, 0], [2, 0, 2], [2, 1, 1, 2]), [1.0, np.nan, 1.0])


def test_the_normalised_accuracy_divides_by_characters():
    """−6 over 3 characters is −2 a character; −4 over one is −4, though it is the larger sum."""
    options = [(option("abc"), option("d"))]
    found = option_measures("choices", [item(0)], options, np.array([6.0, 4.0]))
    assert (found["choice_accuracy"].tolist(), found["choice_accuracy_norm"].tolist()) == ([0.0], [1.0])


def truths(nll, true=1, false=2):
    texts = {"true_answers": ("t",) * true, "false_answers": ("f",) * false}
    return option_measures("truths", [item(**texts)], [(option(),) * (true + false)], np.array(nll))


def test_mc1_is_won_by_the_best_true_answer_against_the_false_ones():
    assert truths([1.0, 2.0, 3.0])["mc1"].tolist() == [1.0]
    assert truths([2.0, 1.0, 3.0])["mc1"].tolist() == [0.0]
    # The second true answer is likelier than the first, and no matter.
    assert truths([2.0, 1.0, 3.0], true=2, false=1)["mc1"].tolist() == [1.0]


def test_mc2_is_the_share_of_probability_on_the_true_answers():
    nll = -np.log([0.2, 0.1, 0.4])
    assert truths(nll, true=2, false=1)["mc2"] == pytest.approx([0.3 / 0.7])
    # Probabilities that are too small to be written change nothing.
    assert truths(nll + 5000.0, true=2, false=1)["mc2"] == pytest.approx([0.3 / 0.7])


def test_a_preference_is_a_response_that_is_likelier_than_the_rejected_one():
    items, options = [item(), item(), item()], [(option(), option())] * 3
    found = option_measures("pair", items, options, np.array([1.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
    assert found["preference"].tolist() == [1.0, 0.0, 0.5]
