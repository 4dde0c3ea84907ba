from pathlib import Path

from farsighted.files.labels import Unreadable
from farsighted.files.notes import Told
from farsighted.files.rows import Row


def row(name, line=1):
    return Row({}, Path("pool") / name, line)


def test_a_field_in_some_rows_alone_is_told_with_their_number():
    told = Told()
    told.example(row("a.jsonl"), {"url", "time"}, ())
    told.example(row("a.jsonl", 2), {"url"}, ())
    assert told.sentences() == ("'pool/a.jsonl': fields not read: time (in 1 of 2 rows), url.",)


def test_files_that_have_the_same_to_say_say_it_once():
    told = Told()
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        told.example(row(name), {"url"}, ())
    told.example(row("d.jsonl"), {"time"}, ())
    assert told.sentences() == (
        "'pool/a.jsonl' and 2 more: fields not read: url.",
        "'pool/d.jsonl': fields not read: time.",
    )


def test_labels_that_cannot_be_read_are_counted_with_the_first_of_them():
    told = Told()
    for line, shown in ((3, "Easy"), (4, "Hard")):
        told.example(row("a.jsonl", line), (), [Unreadable("difficulty", shown, "it must be a number")])
    assert told.sentences() == (
        "'pool/a.jsonl': `difficulty` counts as missing in 2 rows: it must be a number, but is 'Easy' in line 3.",
    )


def test_rows_set_aside_and_answers_left_out_are_counted():
    told = Told()
    told.aside(row("a.jsonl"), "label false")
    told.aside(row("a.jsonl", 2), "label false")
    told.ended(row("a.jsonl", 3), "weight 0")
    assert told.set_aside() == "2 rows were set aside: label false"
    assert told.sentences() == (
        "'pool/a.jsonl': 2 rows were set aside: label false.",
        "'pool/a.jsonl': 1 conversation ends with an earlier answer: weight 0 on the last.",
    )


def test_answers_that_may_be_none_are_counted():
    told = Told()
    for line in (1, 2):
        told.doubt(row("a.jsonl", line), "the answer begins with the text of the prompt")
    assert told.sentences() == ("'pool/a.jsonl': in 2 rows the answer begins with the text of the prompt.",)


def test_many_fields_and_hostile_names_make_a_short_clean_line():
    told = Told()
    told.example(row("a.jsonl"), {f"f{number:02d}" for number in range(30)} | {"\x1b[31mred\n"}, ())
    (sentence,) = told.sentences()
    assert sentence.endswith(" and 11 more.")
    assert sentence.isprintable()


def test_what_is_learned_as_thought_and_choices_that_are_compared_are_counted():
    told = Told()
    for line in (1, 2):
        told.thought(row("a.jsonl", line), "reasoning")
    told.compared(row("a.jsonl"))
    assert told.sentences() == (
        "'pool/a.jsonl': `reasoning` of 2 rows is learned before the answer, as what was thought.",
        "'pool/a.jsonl': `choices` of 1 row with an `answer_index` are compared with the answer, not added to the "
        "prompt.",
    )
