import pytest

from farsighted.core.values import Example
from farsighted.files.fields import UnfitError
from farsighted.files.labels import number_in, with_labels

PAIR = Example("x", "p", "r")


@pytest.mark.parametrize(("found", "number"), [(3, 3.0), ("4.5", 4.5), (" 1e3 ", 1000.0), (None, None)])
def test_a_number_may_stand_in_text(found, number):
    assert number_in({"quality": found}, "quality") == number


@pytest.mark.parametrize("found", [True, "N/A", "1_0", "nan", float("inf"), 10**400, [1]])
def test_what_is_no_number_is_refused(found):
    with pytest.raises(UnfitError, match="it must be a number"):
        number_in({"quality": found}, "quality")


def test_one_label_that_cannot_be_read_leaves_the_others():
    found, wrong = with_labels(PAIR, {"quality": "N/A", "difficulty": "3", "source": "web", "category": "algebra"})
    assert (found.quality, found.difficulty, found.source, found.cluster) == (None, 3.0, "web", "algebra")
    assert [(label.name, label.shown) for label in wrong] == [("quality", "N/A")]


def test_an_index_in_text_points_at_its_choice():
    found, wrong = with_labels(Example("x", "p", "no"), {"choices": ["yes", "no"], "answer_index": "1"})
    assert (found.choices, found.answer_index, wrong) == (("yes", "no"), 1, ())
