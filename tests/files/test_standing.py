import pytest

from farsighted.files.standing import are_in


@pytest.mark.parametrize(
    ("options", "said", "answer"),
    [
        (["A. x", "B. y"], "Which?\nA. x\nB. y", "B"),
        (["A. x", "B. y"], "Which? (a) x (b) y", "B"),
        (["A. 石头", "B. 苹果"], "哪个？A.石头B.苹果", "B"),
        (["A. stone", "B. apple"], "Which?\n- stone\n- apple", "apple"),
        (["A. stone", "B. apple"], "Is it apple or stone?", "apple"),
        (["A. x", "B. y", "C. z"], "Is it x, y, or z?", "y"),
        (["A. yes", "B. no"], "Is it cold? (yes/no)", "no"),
    ],
)
def test_options_that_are_listed_in_a_question_are_in_it(options, said, answer):
    assert are_in(options, said, answer)


@pytest.mark.parametrize(
    ("options", "said", "answer"),
    [
        (["A. 2", "B. 4"], "What is 2 + 2 + 4?", "B"),
        (["A. 2", "B. 4"], "What is 2 + 2 + 4?", "4"),
        (["A. 1", "B. 2", "C. 3"], "What is 12 + 13 - 24?", "1"),
        (["A. 1", "B. 2"], "What is 1/2 + 1/2?", "1"),
        (["1. 5", "2. 7"], "What is 1.5 + 2.7?", "5"),
        (["A. yes", "B. no"], "Is snow white, as they said yesterday?", "yes"),
        (["A. 2"], "How many legs has a dog? (humans have 2)", "2"),
        (["A. 4", "B. 4"], "Which number is prime: 4 or 4?", "4"),
        (["A. stone", "B. apple"], "Is it stone or apple?", "B"),
        (["A. stone", "B. apple"], "Which?\nstone\napple", "b)"),
        (["A.", "B."], "Which?", "A."),
    ],
)
def test_options_that_only_occur_in_a_question_or_whose_letters_it_lacks_are_not(options, said, answer):
    assert not are_in(options, said, answer)
