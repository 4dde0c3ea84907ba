from pathlib import Path

import pytest

from farsighted.files.rows import BadRow, Row, excerpt


def test_a_row_says_where_it_stands():
    assert Row({}, Path("a/b.csv"), 7).place == "a/b.csv:7"


def test_a_bad_row_reads_as_a_sentence_with_its_place():
    assert str(BadRow("b.csv", 7, "has no prompt", '{"x": 1}')) == """b.csv:7 has no prompt: '{"x": 1}'"""


@pytest.mark.parametrize("around", [0, 39, 40, 41, 500, 960, 999])
def test_an_excerpt_is_eighty_characters_with_the_culprit_in_sight(around):
    text = "".join(chr(ord("a") + place % 26) for place in range(1000))
    text = f"{text[:around]}!{text[around + 1 :]}"
    found = excerpt(text, around)
    assert len(found) == 80
    assert "!" in found


def test_what_cannot_be_printed_is_a_dot():
    assert excerpt("a\x1b[31m\tb") == "a·[31m·b"
