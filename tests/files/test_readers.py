"""Strict reading."""

import contextlib
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.files.readers import find_files, read_rows, refuse_bad_rows, write_quarantine
from farsighted.files.rows import BadRow, Row, excerpt

FUZZ = settings(
    max_examples=60,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
)


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path):
    return list(read_rows([path]))


def only_bad_row(path):
    bad = [row for row in rows_of(path) if isinstance(row, BadRow)]
    assert len(bad) == 1
    return bad[0]


def parquet(table):
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


PARQUET = parquet(
    pa.table({"prompt": ["a", "b", None], "meta": [{"difficulty": 1.0, "choices": ["x"]}, None, {"difficulty": 2.0}]})
)
LINES = "".join(json.dumps({"n": n, "text": "word " * n}) + "\n" for n in range(40)).encode()


def test_parquet_reads_as_rows_with_nulls(tmp_path):
    path = put(tmp_path, "a.parquet", PARQUET)
    assert [row.line for row in rows_of(path)] == [1, 2, 3]
    assert rows_of(path)[0].fields == {"prompt": "a", "meta": {"difficulty": 1.0, "choices": ["x"]}}
    assert rows_of(path)[2].fields["prompt"] is None


def test_files_are_read_in_the_order_given(tmp_path):
    b, a = put(tmp_path, "b.jsonl", '{"x": 1}\n'), put(tmp_path, "a.jsonl", '{"x": 2}\n')
    assert [row.fields["x"] for row in read_rows([b, a])] == [1, 2]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", PARQUET[: len(PARQUET) // 2], PARQUET[:-4], PARQUET[:4] + PARQUET[400:]]
)
def test_a_damaged_parquet_is_refused(tmp_path, content):
    with pytest.raises(
        DataError, match=r"a\.parquet' must be a whole Parquet file, but is damaged or unreadable after row 0"
    ):
        rows_of(put(tmp_path, "a.parquet", content))


@pytest.mark.parametrize(
    ("column", "null"),
    [
        ([1.0, float("nan")], None),
        ([[0.0], [float("inf")]], [None]),
        ([{"y": 0.0}, {"y": float("-inf")}], {"y": None}),
    ],
)
def test_nan_and_infinity_in_parquet_are_null(tmp_path, column, null):
    found = rows_of(put(tmp_path, "a.parquet", parquet(pa.table({"x": column}))))
    assert [row.fields["x"] for row in found] == [column[0], null]


def test_a_file_that_vanished_is_refused(tmp_path):
    with pytest.raises(DataError, match="must be readable"):
        rows_of(tmp_path / "gone.jsonl")


@FUZZ
@given(content=st.binary(max_size=300))
@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.parquet"])
def test_no_bytes_raise_anything_but_a_data_error(tmp_path, name, content):
    path = put(tmp_path, name, content)
    with contextlib.suppress(DataError):
        assert all(isinstance(row, (Row, BadRow)) for row in rows_of(path))


@FUZZ
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5), keep=st.integers(0, 10_000)
)
@pytest.mark.parametrize(
    ("name", "whole"), [("f.jsonl", LINES), ("f.jsonl.gz", gzip.compress(LINES, mtime=0)), ("f.parquet", PARQUET)]
)
def test_no_damage_to_a_good_file_raises_anything_but_a_data_error(tmp_path, name, whole, changes, keep):
    content = bytearray(whole)
    for place, value in changes:
        content[place % len(content)] = value
    path = put(tmp_path, name, bytes(content[: max(keep, 1)]))
    with contextlib.suppress(DataError):
        assert all(isinstance(row, (Row, BadRow)) for row in rows_of(path))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SCALAR = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALAR | NUMBER,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(fields=st.lists(st.dictionaries(TEXT, JSON, max_size=4), max_size=4), ascii_only=st.booleans())
def test_every_json_object_comes_back_as_it_was_written(tmp_path, fields, ascii_only):
    text = "".join(json.dumps(entry, ensure_ascii=ascii_only) + "\n" for entry in fields)
    assert [row.fields for row in rows_of(put(tmp_path, "f.jsonl", text))] == fields


def test_a_folder_stands_for_its_data_files_sorted_and_without_hidden_ones(tmp_path):
    for name in ("b/z.jsonl", "b/a.jsonl.gz", "a.parquet", "notes.txt", ".hidden.jsonl", ".git/x.jsonl"):
        put(tmp_path, name, "")
    found = find_files(".", tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in found] == ["a.parquet", "b/a.jsonl.gz", "b/z.jsonl"]


def test_a_glob_is_sorted_and_a_list_keeps_its_order(tmp_path):
    for name in ("m/2.jsonl", "m/1.jsonl", "z.jsonl", "deep/er/3.jsonl"):
        put(tmp_path, name, "")
    names = [file.name for file in find_files(["z.jsonl", "m/*.jsonl", "**/3.jsonl"], tmp_path)]
    assert names == ["z.jsonl", "1.jsonl", "2.jsonl", "3.jsonl"]


def test_an_absolute_path_and_an_absolute_glob_need_no_root(tmp_path):
    path = put(tmp_path / "data", "a.jsonl", "")
    assert find_files([str(path)], tmp_path / "other") == (path,)
    assert find_files([str(path.parent / "*.jsonl")], tmp_path / "other") == (path,)


def test_a_name_with_brackets_is_a_name_where_the_file_exists(tmp_path):
    path = put(tmp_path, "a[1].jsonl", "")
    assert find_files("a[1].jsonl", tmp_path) == (path,)


@pytest.mark.parametrize("pattern", ["none.jsonl", "x/*.jsonl", "empty", "../no/such", "**", "a\0b"])
def test_a_path_without_data_files_is_refused_with_pattern_and_folder(tmp_path, pattern):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"must (lead to data files|be a path)") as caught:
        find_files(["empty", pattern][1:], tmp_path)
    assert pattern in str(caught.value)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    put(tmp_path, "a.xlsx", "")
    with pytest.raises(DataError, match=r"a\.xlsx' must end in \.jsonl\.gz"):
        find_files("a.xlsx", tmp_path)


def test_the_same_file_twice_is_refused(tmp_path):
    put(tmp_path, "a.jsonl", "")
    with pytest.raises(DataError, match="must be named once"):
        find_files(["a.jsonl", "*.jsonl"], tmp_path)


def test_bad_rows_up_to_the_tolerated_share_pass():
    bad = [BadRow("f", line, "is bad", "x") for line in range(5)]
    refuse_bad_rows(bad, 500, 0.01)
    refuse_bad_rows([], 0, 0.0)


def test_more_bad_rows_are_refused_with_the_first_three():
    bad = [BadRow("f.jsonl", line, "is bad", f"text {line}") for line in range(1, 6)]
    with pytest.raises(DataError, match="At most 1% of the rows may be bad, but 5 of 499 are") as caught:
        refuse_bad_rows(bad, 499, 0.01)
    assert str(caught.value).splitlines()[1:] == [f"  f.jsonl:{line} is bad: 'text {line}'" for line in (1, 2, 3)]


def test_the_quarantine_file_holds_one_bad_row_a_line(tmp_path):
    path = tmp_path / "new" / "bad.jsonl"
    write_quarantine(path, [BadRow("f", 3, "is 'bad'", "é\n"), BadRow("g", 1, "r", "")])
    assert [row.fields for row in rows_of(path)] == [
        {"file": "f", "line": 3, "reason": "is 'bad'", "excerpt": "é\n"},
        {"file": "g", "line": 1, "reason": "r", "excerpt": ""},
    ]


def test_an_excerpt_is_short_printable_and_around_the_place():
    assert excerpt("a\0b\n") == "a·b·"
    assert excerpt("a" * 200) == "a" * 80
    assert "X" in excerpt("a" * 100 + "X" + "b" * 100, around=100)
    assert excerpt("a" * 100 + "X", around=100).endswith("X")
