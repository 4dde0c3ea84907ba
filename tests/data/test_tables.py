import contextlib
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.data.formats import read_examples
from farsighted.data.readers import find_files, read_rows
from farsighted.data.rows import BadRow, Row

ROWS = [{"prompt": "p", "response": "r\n2", "quality": 0.5}, {"prompt": 'q "x", y', "response": "s", "quality": 1.0}]
CSV = 'prompt,response,quality,difficulty\np,"r\n2",0.5,\n"q ""x"", y",s,1.0,\n'


def fields(path):
    return [{name: value for name, value in row.fields.items() if value is not None} for row in read_rows([path])]


def test_csv_tsv_and_their_gzip_hold_text_numbers_and_line_breaks(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.tsv").write_text(CSV.replace(", y", "; y").replace(",", "\t").replace("; y", ", y"))
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write(CSV)
    for path in find_files(["a.csv", "a.tsv", "b.csv.gz"], tmp_path):
        assert fields(path) == ROWS


def test_arrow_files_and_streams_are_read(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert fields(tmp_path / "file.arrow") == fields(tmp_path / "stream.arrow") == ROWS


def test_a_folder_that_datasets_saved_is_read_without_its_own_records(tmp_path):
    import datasets

    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved")
    (file,) = find_files("saved", tmp_path)
    assert file.suffix == ".arrow"
    assert fields(file) == ROWS


def test_a_row_of_csv_with_too_many_columns_is_bad_and_the_others_are_not(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,response\np,r\nq,s,t\nu,v\n")
    found = list(read_rows([tmp_path / "a.csv"]))
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [row.fields["prompt"] for row in found if isinstance(row, Row)] == ["p", "u"]
    assert [row.reason for row in bad] == ["has 3 columns, but the header has 2"]
    with pytest.raises(DataError, match="has 3 columns, but the header has 2"):
        read_examples([tmp_path / "a.csv"])


def test_numbers_that_are_none_stay_text_and_make_a_bad_row(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,response,quality\np,r,high\n")
    with pytest.raises(DataError, match="has a `quality` of type str"):
        read_examples([tmp_path / "a.csv"])


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", b"prompt,prompt\na,b\n", "CSV"),
        ("a.csv", b"", "CSV"),
        ("a.csv", b"prompt,response\n\xff\xfe,x\n", "CSV"),
        ("a.arrow", b"no arrow", "Arrow"),
        ("a.arrow", b"", "Arrow"),
        ("a.parquet", b"PAR1", "Parquet"),
    ],
)
def test_a_damaged_table_is_refused_whole(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"must be a whole {kind} file, but is damaged or unreadable after row 0"):
        list(read_rows([tmp_path / name]))


def test_a_cut_off_stream_is_refused_after_what_it_held(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.Table.from_pylist(ROWS * 500)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(DataError, match=r"damaged or unreadable after row [1-9]00"):
        list(read_rows([path]))


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=120), st.sampled_from(["x.csv", "x.arrow", "x.parquet", "x.jsonl", "x.tsv", "x.jsonl.gz"]))
def test_any_bytes_are_rows_bad_rows_or_a_data_error(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    # The only other outcome is an error that names the file.
    with contextlib.suppress(DataError):
        found = list(read_rows([path]))
        assert all(isinstance(row, (Row, BadRow)) for row in found)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=1, max_size=5))
def test_what_parquet_holds_comes_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("fuzz") / "x.parquet"
    rows = [{"prompt": prompt, "response": response} for prompt, response in pairs]
    try:
        pq.write_table(pa.Table.from_pylist(rows), path)
    except (UnicodeEncodeError, pa.ArrowException):
        return
    assert [row.fields for row in read_rows([path])] == rows


def test_a_huge_line_and_a_byte_order_mark_are_read(tmp_path):
    long = "x" * 3_000_000
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfprompt,response\np,r\n")
    assert fields(tmp_path / "a.csv") == [{"prompt": "p", "response": "r"}]
    (tmp_path / "b.jsonl").write_text('{"prompt": "p", "response": "' + long + '"}\n')
    assert len(fields(tmp_path / "b.jsonl")[0]["response"]) == len(long)
    (tmp_path / "c.csv").write_text(f"prompt,response\np,r\nq,{long}\ns,t\n")
    assert [len(row["response"]) for row in fields(tmp_path / "c.csv")] == [1, len(long), 1]
