from farsighted.core.values import Example, Gold
from farsighted.data.turns import every_turn

TALK = Example(
    "t",
    "system: be kind\nuser: a\nassistant: b\nuser: c",
    "d",
    cluster="chat",
    quality=0.5,
    gold=Gold(rejected="e"),
    turns=(("system", "be kind"), ("user", "a"), ("assistant", "b"), ("user", "c")),
)


def test_every_turn_of_the_assistant_is_an_example_after_what_was_said_before_it():
    first, last = every_turn(TALK)
    assert last is TALK
    assert (first.id, first.prompt, first.response) == ("t#1", "system: be kind\nuser: a", "b")
    assert first.turns == (("system", "be kind"), ("user", "a"))
    assert (first.cluster, first.quality) == ("chat", 0.5)


def test_what_the_last_answer_is_graded_against_is_not_that_of_earlier_ones():
    assert every_turn(TALK)[0].gold == Gold()


def test_a_first_question_of_the_user_is_a_plain_prompt():
    talk = Example("t", "...", "d", turns=(("user", "a"), ("assistant", "b"), ("user", "c")))
    first = every_turn(talk)[0]
    assert (first.prompt, first.turns) == ("a", ())


def test_a_single_answer_is_itself():
    single = Example("s", "a", "b")
    assert every_turn(single) == (single,)


def test_empty_turns_and_a_greeting_before_any_question_are_left_out():
    turns = (("assistant", "hello"), ("user", "a"), ("assistant", " "), ("user", "c"))
    assert len(every_turn(Example("t", "...", "d", turns=turns))) == 1
