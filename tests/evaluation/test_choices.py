import numpy as np

from farsighted.core.values import Example, Tokens
from farsighted.evaluation.choices import choice_hits

OPTION = Tokens(Example("o", "p", "r"), (1, 2), 1)


def hits(answers, counts, nll):
    items = [Tokens(Example("a", "p", "r", answer_index=answer), (1, 2), 1) for answer in answers]
    return choice_hits(items, [(OPTION,) * count for count in counts], np.array(nll)).tolist()


def test_an_item_is_right_where_the_gold_option_is_the_likeliest():
    assert hits([0, 1, 2], [2, 2, 3], [1, 2, 1, 2, 3, 2, 1]) == [1.0, 0.0, 1.0]


def test_ties_go_to_the_first_option():
    assert hits([0, 1], [2, 3], [1, 1, 2, 1, 1]) == [1.0, 1.0]
    assert hits([1, 2], [2, 3], [1, 1, 2, 1, 1]) == [0.0, 0.0]


def test_an_item_without_options_has_no_result_and_uses_up_no_likelihood():
    np.testing.assert_array_equal(hits([1, None, 0], [2, 0, 2], [2, 1, 1, 2]), [1.0, np.nan, 1.0])
