import pytest

from farsighted.core.values import Example, Gold
from farsighted.evaluation.generation import answers_of, completes_prompt, graded, number_of, program_of
from farsighted.evaluation.sandbox import sandbox_problem

HUMANEVAL = Example(
    "h",
    'from math import pi\n\ndef one():\n    """Return 1."""\n',
    "    return 1\n",
    gold=Gold(tests=("def check(candidate):\n    assert candidate() == 1",), entry_point="one"),
)
MBPP = Example("m", "Write one().", "def one(): return 1", gold=Gold(tests=("assert one() == 1",), entry_point="one"))


def test_an_answer_goes_on_from_the_prompt_where_the_prompt_begins_the_function():
    assert (completes_prompt(HUMANEVAL), completes_prompt(MBPP)) == (True, False)
    program = program_of(HUMANEVAL, "    return 1\n")
    assert program.source == HUMANEVAL.prompt + "    return 1\n"
    assert program.tests[-1] == "check(one)"


def test_a_fenced_answer_is_the_code_inside():
    assert program_of(MBPP, "Sure!\n```python\ndef one(): return 1\n```").source.endswith("\ndef one(): return 1\n")
    fenced = program_of(HUMANEVAL, "```python\ndef one():\n    return 1\n```")
    assert fenced.source.startswith(HUMANEVAL.prompt)
    compile(fenced.source, "program", "exec")
    # What goes on from the prompt ends where a fence closes.
    assert program_of(HUMANEVAL, "    return 1\n```\nDone").source == HUMANEVAL.prompt + "    return 1\n"


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
def test_programs_are_graded_by_running_them():
    texts = ["    return 1\n", "    return 2\n", "def one(): return 1", "```\ndef one(): return 1\n```"]
    found = graded("program", [HUMANEVAL, HUMANEVAL, MBPP, MBPP], texts)
    assert found["pass_at_1"].tolist() == [1, 0, 1, 1]


def test_short_answers_go_before_the_response():
    assert number_of(Example("a", "p", "so\n#### 5")) == "so\n#### 5"
    assert number_of(Example("a", "p", "so\n#### 5", gold=Gold(answers=("6",)))) == "6"
    assert answers_of(Example("a", "p", "r")) == ("r",)


def test_texts_are_graded_against_all_answers():
    example = Example("a", "p", "Rome", gold=Gold(answers=("Paris", "the city of light")))
    found = graded("text", [example, example], ["Paris!", "a city"])
    assert found["exact_answer"].tolist() == [1, 0]
    # "a city" is "city": one of one word, and one of the answer's three ("city of light").
    assert found["token_f1"] == pytest.approx([1, 2 / 4])
