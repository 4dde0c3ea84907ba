from farsighted.core.values import Gold
from farsighted.files.gold import gold_of


def test_a_row_without_gold_fields_says_nothing():
    assert gold_of({"prompt": "p", "response": "r"}) == Gold()


def test_answers_are_all_that_are_accepted_and_numbers_count_as_text():
    assert gold_of({"answers": ["a", "b"], "answer": "c"}).answers == ("a", "b")
    assert gold_of({"answer": 18}).answers == ("18",)
    assert gold_of({"answer": "c", "answers": None}).answers == ("c",)


def test_statements_pairs_and_tests_are_read_by_the_names_of_their_data_sets():
    found = gold_of(
        {
            "correct_answers": ["t"],
            "incorrect_answers": ["f", "g"],
            "rejected": "no",
            "test_list": ["assert f() == 1"],
            "test_setup_code": "x = 1",
            "entry_point": "f",
        }
    )
    assert found == Gold((), "no", ("t",), ("f", "g"), ("assert f() == 1",), "x = 1", "f")
    assert gold_of({"test": "def check(f): ..."}).tests == ("def check(f): ...",)


def test_the_best_of_the_true_answers_stands_first_whatever_their_order():
    rows = {"correct_answers": ["s", "t", "u"]}
    assert gold_of(rows).true_answers == ("s", "t", "u")
    assert gold_of(rows | {"best_answer": "t"}).true_answers == ("t", "s", "u")
    assert gold_of(rows | {"choices": ["f", "u"], "answer_index": 1}).true_answers == ("u", "s", "t")
    assert gold_of(rows | {"choices": ["f", "x"], "answer_index": 1}).true_answers == ("s", "t", "u")


def test_fields_of_another_type_say_nothing():
    rows = ({"answer": {"a": 1}}, {"answers": ["a", None]}, {"rejected": [{"role": "user"}]}, {"answer": True})
    assert all(gold_of(row) == Gold() for row in rows)
