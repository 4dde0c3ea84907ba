"""Overlap between training and evaluation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.leaks import Overlap, asked_key, check_disjoint, drop_overlap, find_overlap, leak_key, normalise

POOL = (Example("a", "What is 3 + 4?", "7"), Example("b", "Name a bird.", "Wren"), Example("c", "", "A Poem"))
SETS = {
    "math test": (Example("t1", "what  is\n3 + 4?", "7"), Example("t2", "What is 3 - 4?", "-1")),
    "poems": (Example("p1", " ", "a poem"), Example("p2", "WHAT IS 3 + 4?", "7")),
}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is it?", "what\tIS  it? ", True),
        ("ﬁne Ⅳ", "fine iv", True),
        ("Straße", "STRASSE", True),
        ("e\u0301", "É", True),
        ("3\u00a0+ 4", "3 + 4", True),
        ("3 + 4", "3 - 4", False),
        ("a.", "a", False),
        ("ab", "a b", False),
    ],
)
def test_texts_are_the_same_but_for_unicode_form_case_and_white_space(one, other, same):
    assert (normalise(one) == normalise(other)) is same


@settings(max_examples=60)
@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_an_example_without_prompt_is_known_by_its_response():
    assert leak_key(Example("x", " \n", "A  Poem")) == "a poem"


def test_overlaps_are_found_with_their_first_twin_in_pool_order():
    assert find_overlap(POOL, SETS) == (Overlap("a", "math test", "t1"), Overlap("c", "poems", "p1"))


def test_dropping_leaves_the_rest_in_order():
    assert drop_overlap(POOL, find_overlap(POOL, SETS)) == (POOL[1],)


def test_disjoint_sets_pass():
    check_disjoint("the pool", POOL[1:2], SETS)
    check_disjoint("the pool", (), SETS)
    check_disjoint("the pool", POOL, {})


def test_an_overlap_is_refused_with_ids_places_and_the_option():
    with pytest.raises(DataError) as caught:
        check_disjoint("the pool", POOL, SETS, {"the pool": {"a": "m.jsonl:3"}, "math test": {"t1": "t.jsonl:9"}})
    first, *pairs = str(caught.value).splitlines()
    assert "but 2 do" in first
    assert "`data.on_overlap: drop`" in first
    assert pairs == [
        "  'a' of the pool (m.jsonl:3) = 't1' of math test (t.jsonl:9)",
        "  'c' of the pool = 'p1' of poems",
    ]


def test_no_more_than_three_pairs_are_named():
    pool = [Example(str(n), "What is 3 + 4?", "7") for n in range(9)]
    with pytest.raises(DataError) as caught:
        check_disjoint("the pool", pool, SETS)
    assert len(str(caught.value).splitlines()) == 4


def after(system, question, name="x"):
    turns = (("system", system), ("user", question))
    return Example(name, f"system: {system}\nuser: {question}", "r", turns=turns)


@pytest.mark.parametrize(
    ("pool", "measured", "leak"),
    [
        (after("s", "Name a bird."), Example("t", "name a  bird.", "w"), True),
        (Example("x", "name a  bird.", "w"), after("s", "Name a bird."), True),
        (after("s", "Name a bird."), after("S ", "name a bird."), True),
        (after("Answer in French.", "Name a bird."), after("Answer in German.", "Name a bird."), False),
        (after("s", "Name a bird."), Example("t", "Name a fish.", "w"), False),
    ],
)
def test_a_question_is_the_same_with_and_without_a_system_turn_but_not_under_two(pool, measured, leak):
    assert bool(find_overlap([pool], {"test": [measured]})) is leak


def test_an_example_without_a_system_turn_asks_its_prompt_alone():
    assert asked_key(POOL[0]) == ""
    assert asked_key(after("s", " Name  a bird.")) == "name a bird."
