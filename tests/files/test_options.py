import pytest

from farsighted.files.options import are_in, options_in
from farsighted.files.shapes import said_in
from oracles.talks import talk_of


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ([1, 2.5], ["A. 1", "B. 2.5"]),
        ({"A": 1, "B": 2}, ["A. 1", "B. 2"]),
        ([{"label": "A", "text": "x"}, {"label": "B", "text": "y"}], ["A. x", "B. y"]),
        ([{"key": "1", "value": "x"}, {"key": "2", "value": "y"}], ["1. x", "2. y"]),
        ([{"text": "x"}, {"text": "y"}], ["A. x", "B. y"]),
        ('["x", "y"]', ["A. x", "B. y"]),
        ('{"C": "x", "D": "y"}', ["C. x", "D. y"]),
        ("A) stone B) apple", ["A) stone B) apple"]),
    ],
)
def test_options_of_any_form_are_lines(given, lines):
    assert [option.line for option in options_in(given)] == lines


@pytest.mark.parametrize("given", ["none", [], {}, [None], [True], [[1]], ["x", " "], 3, None, [{"a": "x"}]])
def test_what_only_bears_the_name_is_none(given):
    assert options_in(given) == ()


@pytest.mark.parametrize(
    ("question", "options", "answer"),
    [
        ("What is 2 + 2 + 4?", {"A": "2", "B": "4"}, "B"),
        ("What is 12 + 13 - 24?", ["1", "2", "3"], "1"),
        ("Is snow white, as they said yesterday?", ["yes", "no"], "yes"),
        ("How many legs has a dog? (humans have 2)", ["2", "4"], "4"),
        ("q: stone or apple?", ["stone", "apple"], "B"),
        ("q\nstone\napple", ["stone", "apple"], "B"),
    ],
)
def test_words_of_a_question_are_no_options(question, options, answer):
    talk = talk_of({"question": question, "options": options, "answer": answer})
    assert talk.prompt == "\n".join([question, *(option.line for option in options_in(options))])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("q: stone or apple?", "apple"),
        ("q: stone, apple", "apple"),
        ("q\nstone\napple", "apple"),
        ("q\n- stone\n- apple", "apple"),
        ("q\nA. stone\nB. apple", "B"),
        ("q (a) stone (b) apple", "B"),
        ("q A: stone B: apple", "B."),
    ],
)
def test_options_that_a_question_lists_are_not_said_twice(question, answer):
    assert are_in(question, options_in(["stone", "apple"]), answer)


def test_a_letter_says_nothing_without_its_choices():
    row = {"question": "Which?", "choices": ["x", "y"], "answer_index": 0}
    assert talk_of({**row, "answer": "A"}).prompt == "Which?\nA. x\nB. y"
    said = said_in({**row, "answer": "x"})
    assert (said.talk.prompt, "choices" in said.read) == ("Which?", False)
