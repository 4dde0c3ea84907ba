"""CSV and TSV."""

import csv
import gzip
import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.files import delimited
from farsighted.files.formats import read_examples
from farsighted.files.readers import find_files, read_rows
from farsighted.files.rows import BadRow, Row

ROWS = [{"prompt": "p", "response": "r\n2", "quality": 0.5}, {"prompt": 'q "x", y', "response": "s", "quality": 1.0}]
CSV = 'prompt,response,quality,difficulty\np,"r\n2",0.5,\n"q ""x"", y",s,1.0,\n'


def read(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows([path]))


def fields(path):
    return [{name: value for name, value in row.fields.items() if value is not None} for row in read_rows([path])]


def told(rows):
    """Line to the first cell of good rows, and the lines of bad ones."""
    good = {row.line: next(iter(row.fields.values())) for row in rows if isinstance(row, Row)}
    return good, [row.line for row in rows if isinstance(row, BadRow)]


def test_csv_tsv_and_their_gzip_hold_text_numbers_and_line_breaks(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.tsv").write_text(CSV.replace(", y", "; y").replace(",", "\t").replace("; y", ", y"))
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write(CSV)
    for path in find_files(["a.csv", "a.tsv", "b.csv.gz"], tmp_path):
        assert fields(path) == ROWS


def test_a_row_of_csv_with_too_many_columns_is_bad_and_the_others_are_not(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,response\np,r\nq,s,t\nu,v\n")
    found = list(read_rows([tmp_path / "a.csv"]))
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [row.fields["prompt"] for row in found if isinstance(row, Row)] == ["p", "u"]
    assert [row.reason for row in bad] == ["has 3 columns, but the header has 2"]
    with pytest.raises(DataError, match="has 3 columns, but the header has 2"):
        read_examples([tmp_path / "a.csv"])


def test_numbers_that_are_none_stay_text_and_count_as_missing(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,response,quality\np,r,high\nq,s,0.5\n")
    found = read_examples([tmp_path / "a.csv"])
    assert [example.quality for example in found.examples] == [None, 0.5]
    assert "`quality` counts as missing in 1 row: it must be a number, but is 'high' in line 2" in found.notes[0]


def test_flags_and_weights_in_text_are_marks(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,completion,label,weight\np,r,False,1\nq,s,true,1.0\nt,u,true,0\n")
    found = read_examples([tmp_path / "a.csv"])
    assert [example.prompt for example in found.examples] == ["q"]
    assert [note.partition(": ")[2] for note in found.notes] == [
        "1 row was set aside: label false.",
        "1 row was set aside: weight 0.",
    ]


def test_a_huge_cell_and_a_byte_order_mark_are_read(tmp_path):
    long = "x" * 3_000_000
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfprompt,response\np,r\n")
    assert fields(tmp_path / "a.csv") == [{"prompt": "p", "response": "r"}]
    (tmp_path / "c.csv").write_text(f"prompt,response\np,r\nq,{long}\ns,t\n")
    assert [len(row["response"]) for row in fields(tmp_path / "c.csv")] == [1, len(long), 1]


def thirty(bad, number, quoted=False):
    """A header and thirty rows, one of them replaced: row n stands on line n + 1."""
    form = '"p{0}","r, {0}"' if quoted else "p{0},r{0}"
    lines = [form.format(n) for n in range(1, 31)]
    lines[number - 1] = bad
    return "\n".join(["prompt,response", *lines, ""])


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("number", [1, 5, 29, 30])
@pytest.mark.parametrize("bad", ['p,"r', '"p,r', '"p"x,r', "p", "p,r,s", b"p,\xff", "p,\0"])
def test_a_bad_row_is_bad_at_its_line_and_the_29_others_are_read(tmp_path, quoted, number, bad):
    raw = bad if isinstance(bad, bytes) else bad.encode()
    found = read(tmp_path, thirty("BAD", number, quoted).encode().replace(b"BAD", raw))
    others = {n + 1: f"p{n}" for n in range(1, 31) if n != number}
    assert told(found) == (others, [number + 1])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('p,"r', "has a quote that stays open"),
        ('p,"r" s', "or is inside a cell"),
        ("p", "has 1 columns, but the header has 2"),
        (b"p,\xff", "is no valid UTF-8 (byte 0xff)"),
        ("p,\0", "holds NUL bytes"),
    ],
)
def test_a_bad_row_says_what_is_wrong(tmp_path, bad, reason):
    raw = bad if isinstance(bad, bytes) else bad.encode()
    (found,) = read(tmp_path, b"prompt,response\n" + raw + b"\n")
    assert reason in found.reason
    assert found.excerpt.startswith("p")


def test_many_open_quotes_are_as_many_bad_rows(tmp_path):
    lines = [f'p{n},"r{n}' if n % 3 == 0 else f"p{n},r{n}" for n in range(30)]
    found = read(tmp_path, "\n".join(["prompt,response", *lines]))
    assert told(found) == (
        {n + 2: f"p{n}" for n in range(30) if n % 3},
        [n + 2 for n in range(30) if n % 3 == 0],
    )


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    text = '\nprompt,response\np,"two\n\nlines"\n\nq,s,"t\nu"\nv,w\n'
    for name, content in (("a.csv", text), ("b.csv", text.replace("\n", "\r\n")), ("c.csv", text.replace("\n", "\r"))):
        found = read(tmp_path, content, name)
        assert told(found) == ({3: "p", 9: "v"}, [7])
        assert "(lines 7 to 8)" in found[1].reason


def test_nan_is_a_quality_that_cannot_be_read(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,response,quality\np,r,0.5\nq,r,nan\ns,r,1e999\n")
    found = read_examples([tmp_path / "a.csv"])
    assert [example.quality for example in found.examples] == [0.5, None, None]
    assert "in 2 rows: it must be a number, but is 'nan' in line 3" in found.notes[0]


@pytest.mark.parametrize(("name", "sign", "rest"), [("a.csv", ";", "x"), ("a.csv", "\t", "x"), ("a.tsv", ",", "x")])
def test_a_header_with_another_separator_is_refused_by_its_name(tmp_path, name, sign, rest):
    with pytest.raises(
        DataError, match=f"between its columns, but its header has {sign!r}\\. Write it with".replace("\\t", "\\\\t")
    ):
        read(tmp_path, f"prompt{sign}response\n{rest}{sign}y\n", name)


def test_a_wrong_separator_and_a_wrong_encoding_are_told_together(tmp_path):
    with pytest.raises(DataError, match=r"its header has ';', and it is no UTF-8; the file may be in Windows-1252"):
        read(tmp_path, "prompt;response\nHeißt er so?;Ja\n".encode("cp1252"))


def test_a_column_alone_may_hold_what_could_be_a_separator(tmp_path):
    assert [row.fields for row in read(tmp_path, "text\na;b\n")] == [{"text": "a;b"}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"prompt,prompt\na,b\n", "names the column 'prompt' twice"),
        (b'"prompt,response\na,b\n', "its header has a quote that stays open"),
        ("prompt,response\n".encode("utf-16"), "its header is no text in UTF-8"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path, content, problem):
    with pytest.raises(DataError, match=r"a\.csv' must begin with a header of distinct column names, but ") as caught:
        read(tmp_path, content)
    assert problem in str(caught.value)


def test_a_damaged_gzip_is_refused(tmp_path):
    packed = gzip.compress("".join(f"p{n},r{n}\n" for n in range(20_000)).encode())
    for content in (packed[: len(packed) // 2], b"no gzip"):
        with pytest.raises(DataError, match=r"must be a whole CSV file, but is damaged or unreadable after line \d+:"):
            read(tmp_path, content, "a.csv.gz")


def test_a_line_and_a_record_without_an_end_fill_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_LONGEST_ROW", 100)
    with pytest.raises(DataError, match="after line 1: a line has more than 100 characters"):
        read(tmp_path, "prompt,response\n" + "x" * 300)
    lines = [f"p{n},r{n}" for n in range(90)]
    found = read(tmp_path, "\n".join(["prompt,response", 'p,"r', *lines]))
    assert told(found) == ({n + 3: f"p{n}" for n in range(90)}, [2])
    assert "no end within 100 characters" in found[0].reason


def test_memory_does_not_grow_with_the_file(tmp_path):
    with (tmp_path / "a.csv").open("w") as file:
        file.write("prompt,response\n" + ("p," + "r" * 9_990 + "\n") * 4000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows([tmp_path / "a.csv"])) == 4000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_the_limit_of_the_process_is_left_as_it_was(tmp_path):
    before = csv.field_size_limit()
    read(tmp_path, CSV)
    assert csv.field_size_limit() == before


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


@settings(max_examples=150)
@given(st.lists(st.tuples(_CELLS, _CELLS), max_size=6), st.sampled_from(["x.csv", "x.tsv"]))
def test_what_a_writer_wrote_comes_back(tmp_path_factory, pairs, name):
    path = tmp_path_factory.mktemp("fuzz") / name
    written = io.StringIO(newline="")
    delimiter = "\t" if name == "x.tsv" else ","
    csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *pairs])
    path.write_bytes(written.getvalue().encode())
    assert [tuple(row.fields.values()) for row in read_rows([path])] == pairs


@pytest.mark.parametrize(("name", "no", "yes"), [("label", "FALSE", "TRUE"), ("train", "0", "1"), ("loss", "0", "1")])
def test_flags_as_spreadsheets_write_them_are_marks(tmp_path, name, no, yes):
    (tmp_path / "a.csv").write_text(f"prompt,completion,{name}\np,r,{no}\nq,s,{yes}\n")
    assert [example.prompt for example in read_examples([tmp_path / "a.csv"]).examples] == ["q"]
