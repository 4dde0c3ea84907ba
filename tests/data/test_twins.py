import json

import pytest

from farsighted.core.values import Example, Gold
from farsighted.data.twins import Dropped, Twin, count_repeats, count_shared, find_twins, write_dropped

LONG = "The captain looked out over the grey sea and counted the boats that came home before the storm."


def example(name, prompt="2 + 2 =", response="4", **more):
    return Example(name, prompt, response, **more)


@pytest.mark.parametrize(
    "other",
    [
        example("b"),
        example("b", " 2 + 2 =\n"),
        example("b", quality=0.5, cluster="maths", difficulty=1.0, source="x"),
        example("b", gold=Gold(answers=("4",))),
        example("b", turns=(("user", "2 + 2 ="),)),
    ],
)
def test_same_turns_and_response_are_twins_whatever_is_said_of_them(other):
    assert find_twins([example("a"), other], "exact") == (Twin(1, 0, 1.0),)


@pytest.mark.parametrize(
    "other",
    [
        example("b", "2 + 3 ="),
        example("b", response="5"),
        example("b", "2  + 2 ="),
        example("b", turns=(("system", "Be brief."), ("user", "2 + 2 ="))),
        example("b", gold=Gold(rejected="5")),
        example("b", conversation='{"messages": [], "tools": [{}]}'),
    ],
)
def test_one_difference_that_the_model_would_read_is_enough(other):
    assert find_twins([example("a"), other], "exact") == ()


def test_letter_case_and_unicode_form():
    assert find_twins([example("a", response="Yes"), example("b", response="yes")], "exact") == ()
    assert find_twins([example("a", response="caf\u00e9"), example("b", response="cafe\u0301")], "exact")
    assert find_twins([example("a", "p\r\nq"), example("b", "p\nq")], "exact")


def test_the_first_stays_and_every_other_names_it():
    examples = [example("a"), example("b", "Who?"), example("c"), example("d"), example("e", "Who?")]
    assert find_twins(examples, "exact") == (Twin(2, 0, 1.0), Twin(3, 0, 1.0), Twin(4, 1, 1.0))
    assert find_twins(examples, "none") == ()


def test_near_drops_exact_ones_too_and_names_what_stays():
    """The third repeats the second, which is dropped for the first."""
    examples = [example("a", LONG), example("b", LONG + "!"), example("c", LONG + "!")]
    shingles = len({LONG.lower()[n : n + 5] for n in range(len(LONG) - 4)})
    likeness = shingles / (shingles + 1)
    assert find_twins(examples, "near") == (Twin(1, 0, likeness), Twin(2, 0, likeness))
    assert find_twins(examples, "exact") == (Twin(2, 1, 1.0),)


def test_repeats_are_counted_within_a_set_and_between_two():
    examples = [example("a"), example("b"), example("c", "Who?"), example("d")]
    assert count_repeats(examples) == 2
    assert count_shared(examples, [example("x")]) == 3
    assert count_shared(examples, []) == 0


def test_half_a_character_is_no_trouble():
    assert find_twins([example("a", "\ud83d" + LONG), example("b", "\ud83d" + LONG)], "near")


def test_what_was_dropped_is_written_with_its_twin(tmp_path):
    write_dropped(tmp_path / "d.jsonl", [Dropped("b", "f:2", "a", "f:1", 0.9)])
    wanted = {"id": "b", "place": "f:2", "twin": "a", "twin_place": "f:1", "similarity": 0.9}
    assert json.loads((tmp_path / "d.jsonl").read_text()) == wanted


def test_other_choices_make_another_question():
    one, same, other = (
        Example(name, "Which?", "x", choices=("x", wrong), answer_index=0)
        for name, wrong in (("a", "y"), ("b", "y"), ("c", "z"))
    )
    for dedup in ("exact", "near"):
        assert [twin.row for twin in find_twins([one, same, other], dedup)] == [1]
    assert count_repeats([one, same, other]) == 1
