import json
from pathlib import Path

import pytest

from farsighted.files.rows import BadRow, Row
from farsighted.files.strict_json import DECODER, UnreadableError, fields_of, is_plain, row_of


def test_an_object_is_its_fields_in_order():
    assert list(fields_of(b'{"b": 1, "a": [2, null]}').items()) == [("b", 1), ("a", [2, None])]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "is no JSON object, or cut off (character 8"),
        (b"[1]", "must be a JSON object in braces"),
        (b'{"a": NaN}', "NaN is no number in JSON"),
        (b'{"a": 1e999}', "1e999 is beyond the range of numbers"),
        (b'{"a": 1, "a": 2}', "the field 'a' is given twice"),
        (b'{"a": "\\ud800"}', "holds half a surrogate pair"),
        (b'{"a": "\xff"}', "is no valid UTF-8 (byte 0xff at position 8)"),
        (b'{"a": 1}\0', "holds NUL bytes"),
        (b"[" * 100_000, "is no strict JSON"),
    ],
)
def test_other_bytes_are_no_row_and_say_why(line, reason):
    with pytest.raises(UnreadableError) as caught:
        fields_of(line)
    assert reason in caught.value.reason


def test_a_surrogate_pair_in_escapes_is_one_character():
    assert fields_of(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_a_row_knows_its_place_and_a_bad_one_shows_what_stands_around_the_culprit():
    good = row_of(b'{"a": 1}', Path("x.jsonl"), 3)
    assert (type(good), good.place) == (Row, "x.jsonl:3")
    long = b'{"a": "' + b"x" * 200 + b'", b: 1}'
    bad = row_of(long, Path("x.jsonl"), 4, advice="; mend it")
    assert (type(bad), bad.line) == (BadRow, 4)
    assert bad.reason.endswith("; mend it")
    assert "b: 1" in bad.excerpt
    assert len(bad.excerpt) <= 80


@pytest.mark.parametrize(
    ("text", "plain"), [("abc", True), ("größer", True), ("\\uD83D", False), ("a\ud800b", False), ("\\u0041", True)]
)
def test_only_a_surrogate_asks_for_a_second_look(text, plain):
    assert is_plain(text) == plain


def test_a_whole_file_is_decoded_by_the_same_rules():
    with pytest.raises(ValueError, match="given twice"):
        DECODER.decode('[{"a": 1, "a": 1}]')
    assert DECODER.decode(json.dumps([{"a": 0.5}])) == [{"a": 0.5}]
