import contextlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.files.readers import find_files, read_rows
from farsighted.files.rows import BadRow, Row

ROWS = [{"prompt": "p", "response": "r\n2", "quality": 0.5}, {"prompt": 'q "x", y', "response": "s", "quality": 1.0}]


def fields(path):
    return [{name: value for name, value in row.fields.items() if value is not None} for row in read_rows([path])]


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


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
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


@settings(max_examples=150)
@given(st.binary(max_size=120), st.sampled_from(["x.csv", "x.arrow", "x.parquet", "x.jsonl", "x.tsv", "x.jsonl.gz"]))
def test_any_bytes_are_rows_bad_rows_or_a_data_error(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    # The only other outcome is an error that names the file.
    with contextlib.suppress(DataError):
        found = list(read_rows([path]))
        assert all(isinstance(row, (Row, BadRow)) for row in found)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=1, max_size=5))
def test_what_parquet_holds_comes_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("fuzz") / "x.parquet"
    rows = [{"prompt": prompt, "response": response} for prompt, response in pairs]
    try:
        pq.write_table(pa.Table.from_pylist(rows), path)
    except (UnicodeEncodeError, pa.ArrowException):
        return
    assert [row.fields for row in read_rows([path])] == rows


def test_a_huge_line_is_read(tmp_path):
    long = "x" * 3_000_000
    (tmp_path / "b.jsonl").write_text('{"prompt": "p", "response": "' + long + '"}\n')
    assert len(fields(tmp_path / "b.jsonl")[0]["response"]) == len(long)
