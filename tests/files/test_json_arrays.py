"""Files that hold one array of objects."""

import contextlib
import gzip
import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.files import json_arrays
from farsighted.files.json_arrays import array_rows
from farsighted.files.readers import find_files, read_rows
from farsighted.files.rows import BadRow, Row

ALPACA = [
    {"instruction": "Größe?", "input": "", "output": 'two\nlines, a "quote", a \\ and { [ ] }'},
    {"instruction": "😀", "input": "x", "output": "y", "nested": {"list": [1, [2, {"a": None}]]}},
    {"instruction": "third", "input": "", "output": "z", "score": 0.5},
]


def read(tmp_path, content, name="a.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows([path]))


def in_chunks_of(monkeypatch, size):
    monkeypatch.setattr(json_arrays._Text.more, "__defaults__", (size,))
    monkeypatch.setattr(json_arrays, "_CHUNK", size)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_the_objects_of_an_array_are_rows_counted_from_1(tmp_path, monkeypatch, indent, ascii_only, size):
    in_chunks_of(monkeypatch, size)
    text = json.dumps(ALPACA, indent=indent, ensure_ascii=ascii_only)
    for name, content in (("a.json", text.encode()), ("b.json.gz", gzip.compress(b"\xef\xbb\xbf" + text.encode()))):
        found = read(tmp_path, content, name)
        assert found == [Row(fields, tmp_path / name, n) for n, fields in enumerate(ALPACA, start=1)]
        assert found[2].place == f"{tmp_path / name}:3"


def test_an_empty_array_holds_no_rows(tmp_path):
    assert read(tmp_path, " [ ] \n") == []


def test_one_object_a_line_in_a_json_file_is_read_as_lines(tmp_path):
    found = read(tmp_path, '{"tools": [{"name": "f"}], "x": 1}\n\n{"x": \n{"x": 3}\n')
    assert [(row.line, isinstance(row, Row)) for row in found] == [(1, True), (3, False), (4, True)]


@pytest.mark.parametrize("size", [1, 1 << 18])
@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b'{"x": NaN}', "NaN is no number in JSON"),
        (b'{"x": 1e999}', "1e999 is beyond the range of numbers"),
        (b'{"x": 1, "x": 2}', "the field 'x' is given twice"),
        (b"[1, 2]", "must be a JSON object in braces"),
        (b"3", "must be a JSON object in braces"),
        (b'"a, ] b"', "must be a JSON object in braces"),
        (b"", "is no JSON object, or cut off"),
        (b'{"x": "\xff"}', "is no valid UTF-8 (byte 0xff at position 8)"),
        (b'{"x": "a\x00b"}', "holds NUL bytes"),
        (b'{"x": "\\ud800"}', "holds half a surrogate pair"),
        (b'{"x": "a\tb"}', "Invalid control character"),
        (b'{"x": "a " b"}', "is no JSON object, or cut off"),
        (b'{"x": "open}', "is no JSON object, or cut off"),
        (b'{"x": [1}', "is no JSON object, or cut off"),
        (b'{"x": 1]}', "is no JSON object, or cut off"),
        (b'{"x": 1} {"x": 2}', "character 10: Extra data"),
        (b'{"x": 1}}', "character 9: Extra data"),
        (b'{"x": ' + b"[" * 100_000 + b"}", "is no"),
    ],
)
def test_an_element_that_is_no_strict_object_is_a_bad_row_and_the_others_are_read(
    tmp_path, monkeypatch, element, reason, size
):
    if len(element) < 100:
        in_chunks_of(monkeypatch, size)
    first, bad, last = read(tmp_path, b'[\n{"x": 0},\n' + element + b',\n{"x": 3}\n]')
    assert (first.fields, last.fields, last.line) == ({"x": 0}, {"x": 3}, 3)
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("cut", "row"), [('[{"x": 1},', 1), ('[{"x": 1}, {"x"', 1), ('[{"x": 1}, {"x": "a', 1), ('[{"x": 1}', 0), ("[ ", 0)]
)
def test_an_array_that_is_cut_off_is_refused_with_the_row_it_came_to(tmp_path, cut, row):
    with pytest.raises(DataError, match=rf"a\.json' must be one whole JSON array, .* after row {row}: it is cut off"):
        read(tmp_path, cut)


def test_something_after_the_array_is_refused(tmp_path):
    with pytest.raises(DataError, match="after row 1: something follows the array"):
        read(tmp_path, '[{"x": 1}]\n[{"x": 2}]')


def test_a_truncated_gzip_is_refused_with_the_row_it_came_to(tmp_path):
    packed = gzip.compress(json.dumps([{"n": n} for n in range(80_000)]).encode())
    with pytest.raises(DataError, match=r"must be a whole gzip file, but is damaged or cut off after row [1-9]\d+:"):
        read(tmp_path, packed[: len(packed) // 2], "a.json.gz")


def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    in_chunks_of(monkeypatch, 64)
    monkeypatch.setattr(json_arrays, "_LONGEST_ROW", 1000)
    with pytest.raises(DataError, match="after row 1: the next row has no end within 1,000 characters"):
        read(tmp_path, '[{"x": 1}, {"x": "' + "a" * 5000)


class _Endless(io.RawIOBase):
    """An array of 200 MB that stands nowhere."""

    def __init__(self):
        self.left, self.row = 200, b'{"x": "' + b"a" * 999_988 + b'"},\n'

    def read(self, size=-1):
        self.left -= 1
        return b"[" + self.row if self.left == 199 else self.row if self.left > 0 else b'{"x": ""}]' * (self.left == 0)


def test_memory_does_not_grow_with_the_file(tmp_path):
    tracemalloc.start()
    try:
        assert sum(1 for _ in array_rows(_Endless(), tmp_path)) == 200
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"data": ALPACA}, 'one object whose field "data" holds the rows. Write the value of that field'),
        ({"version": "1", "data": ALPACA}, 'one object whose field "data" holds the rows'),
        (ALPACA[0], "one object that goes over several lines. Write an array of such objects"),
        ({"messages": [{"role": "user", "content": "q"}]}, "one object that goes over several lines"),
    ],
)
def test_a_pretty_printed_object_is_refused_with_what_to_do(tmp_path, content, what):
    with pytest.raises(DataError, match="must hold one object a line, or one array of objects") as caught:
        read(tmp_path, json.dumps(content, indent=2))
    assert what in str(caught.value)


@pytest.mark.parametrize("rows", [3, 3000])
def test_an_object_on_one_line_whose_only_field_holds_the_rows_is_refused(tmp_path, rows):
    with pytest.raises(DataError, match='one object whose field "data" holds the rows'):
        read(tmp_path, json.dumps({"data": [{"x": n, "text": "word " * 10} for n in range(rows)]}))


@pytest.mark.parametrize("length", [1, 100_000])
def test_a_lone_conversation_is_a_row(tmp_path, length):
    fields = {"messages": [{"role": "user", "content": "q" * length}, {"role": "assistant", "content": "a"}]}
    assert [row.fields for row in read(tmp_path, json.dumps(fields))] == [fields]


def test_a_folder_of_arrays_is_found(tmp_path):
    (tmp_path / "alpaca.json").write_text("[]")
    assert [file.name for file in find_files(".", tmp_path)] == ["alpaca.json"]


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b":", b"1", b"\\", b"\n", b" ", b'"a"', b'{"a":1}'])
        | st.binary(max_size=3),
        max_size=40,
    ),
    st.sampled_from(["x.json", "x.json.gz"]),
)
def test_any_bytes_are_rows_bad_rows_or_a_data_error(tmp_path_factory, parts, name):
    content = b"".join(parts)
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with contextlib.suppress(DataError):
        assert all(isinstance(row, (Row, BadRow)) for row in read_rows([path]))
