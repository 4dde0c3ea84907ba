"""JSON files, line by line: strict, with the place of every row."""

import gzip
import json

import pytest

from farsighted.core.errors import DataError
from farsighted.files.readers import read_rows
from farsighted.files.rows import BadRow, Row

LINES = "".join(json.dumps({"n": n, "text": "word " * n}) + "\n" for n in range(40)).encode()


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path):
    return list(read_rows([path]))


def only_bad_row(path):
    bad = [row for row in rows_of(path) if isinstance(row, BadRow)]
    assert len(bad) == 1
    return bad[0]


def test_lines_become_rows_with_their_origin(tmp_path):
    path = put(tmp_path, "a.jsonl", '{"x": 1}\n\n{"x": "é"}')
    assert rows_of(path) == [Row({"x": 1}, path, 1), Row({"x": "é"}, path, 3)]
    assert rows_of(path)[1].place == f"{path}:3"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz"])
def test_gzip_reads_as_the_plain_file(tmp_path, name):
    plain, packed = put(tmp_path, "p.jsonl", LINES), put(tmp_path, name, gzip.compress(LINES, mtime=0))
    assert [row.fields for row in rows_of(packed)] == [row.fields for row in rows_of(plain)]


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated(tmp_path):
    path = put(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"x": 1}\r\n{"x": 2}\r\n')
    assert [row.fields["x"] for row in rows_of(path)] == [1, 2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"x": 1', "is no JSON object, or cut off"),
        (b'{"x": "abc', ": Unterminated string"),
        (b"word", "is no JSON object"),
        (b'{"x": 1}{"x": 2}', "character 9: Extra data"),
        (b"{'x': 1}", "is no JSON object"),
        (b'{"x": NaN}', "NaN is no number in JSON"),
        (b'{"x": -Infinity}', "-Infinity is no number in JSON"),
        (b'{"x": 1e999}', "1e999 is beyond the range of numbers"),
        (b'{"x": ' + b"9" * 5000 + b"}", "is no strict JSON"),
        (b'{"x": 1, "x": 2}', "the field 'x' is given twice"),
        (b'{"y": {"x": 1, "x": 2}}', "the field 'x' is given twice"),
        (b"[1, 2]", "must be a JSON object in braces; write a JSON array as one object a line, or let the file's name"),
        (b'[{"x": 1},', "write a JSON array as one object a line, or let the file's name end in .json"),
        (b"3", "must be a JSON object in braces"),
        (b"null", "must be a JSON object in braces"),
        (b'{"x": "\xff"}', "is no valid UTF-8 (byte 0xff at position 8)"),
        (b'{"x": "a\x00b"}', "holds NUL bytes"),
        (b"\x00" * 20, "holds NUL bytes"),
        (b'{"x": "\\ud800"}', "holds half a surrogate pair"),
        (b'{"x": ["\\uDFFF"]}', "holds half a surrogate pair"),
        (b'{"x": "a\tb"}', "Invalid control character"),
        (b'{"x": ' + b"[" * 100_000 + b"}", "is no"),
    ],
)
def test_a_line_that_is_no_strict_json_object_is_a_bad_row_at_its_line(tmp_path, line, reason):
    bad = only_bad_row(put(tmp_path, "a.jsonl", b'{"x": 0}\n' + line + b'\n{"x": 3}\n'))
    assert bad.line == 2
    assert reason in bad.reason
    assert len(bad.excerpt) <= 80


def test_a_whole_surrogate_pair_is_text(tmp_path):
    assert rows_of(put(tmp_path, "a.jsonl", '{"x": "\\ud83d\\ude00"}'))[0].fields == {"x": "😀"}


def test_a_bad_row_shows_the_place_of_the_error(tmp_path):
    line = '{"x": "' + "a" * 500 + '", HERE}'
    assert "HERE" in only_bad_row(put(tmp_path, "a.jsonl", line)).excerpt


def test_a_utf16_file_is_refused_row_by_row(tmp_path):
    path = put(tmp_path, "a.jsonl", '{"x": 1}\n'.encode("utf-16"))
    assert all(isinstance(row, BadRow) for row in rows_of(path))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_gzip_is_refused_with_the_line_it_came_to(tmp_path, share):
    packed = gzip.compress(LINES, mtime=0)
    path = put(tmp_path, "a.jsonl.gz", packed[: int(len(packed) * share)])
    with pytest.raises(
        DataError, match=r"a\.jsonl\.gz' must be a whole gzip file, but is damaged or cut off after line"
    ):
        rows_of(path)


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all", gzip.compress(LINES, mtime=0)[:30] + b"\0" * 90, gzip.compress(LINES, mtime=0) + b"x"],
)
def test_a_damaged_gzip_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="must be a whole gzip file"):
        rows_of(put(tmp_path, "a.jsonl.gz", content))
