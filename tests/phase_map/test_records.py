import json

import pytest

from farsighted.core.errors import StorageError
from farsighted.phase_map.records import append_record, open_records, read_records, write_records

WHO = {"seed": 0, "sizes": {}, "settings": "x"}
WHOLE = {key: {} for key in ("parameters", "measured", "random", "differences", "standard_errors")}


def record(number):
    return {"point": number, "data_seed": 0, "seed": 0, "world": "w", **WHOLE, "measured": {"noise": number / 3}}


def test_what_was_appended_is_read_back_by_point(tmp_path):
    path = tmp_path / "records.jsonl"
    assert open_records(path, WHO) == {}
    for number in (2, 0):
        append_record(path, record(number))
    assert open_records(path, WHO) == {0: record(0), 2: record(2)}


def test_a_half_written_last_line_is_dropped(tmp_path):
    path = tmp_path / "records.jsonl"
    open_records(path, WHO)
    append_record(path, record(0))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"point": 1, "val')
    assert open_records(path, WHO) == {0: record(0)}
    assert path.read_bytes() == whole


def test_the_same_records_give_the_same_bytes_in_whatever_order_they_came(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    write_records(first, WHO, [record(0), record(1)])
    write_records(second, WHO, [record(1), record(0)])
    assert first.read_bytes() == second.read_bytes()


def test_records_of_another_design_are_refused(tmp_path):
    path = tmp_path / "records.jsonl"
    write_records(path, WHO | {"seed": 1}, [record(0)])
    with pytest.raises(StorageError, match="Choose another folder with --out"):
        open_records(path, WHO)


@pytest.mark.parametrize(
    ("head", "point", "what"),
    [
        ({"schema": 99}, {}, "must have `schema` 2, but has 99, of a newer version"),
        ({"schema": 2, "design": {}}, {}, "must have the key `design.seed`"),
        ({"schema": 2, "design": WHO}, {"world": 3}, "must hold a text under `world`, but holds 3"),
    ],
)
def test_a_line_of_another_schema_or_that_does_not_fit_is_refused(tmp_path, head, point, what):
    path = tmp_path / "records.jsonl"
    path.write_text(f"{json.dumps(head)}\n{json.dumps(record(0) | point)}\n")
    with pytest.raises(StorageError, match=what):
        read_records(path)


def test_a_file_that_is_no_record_is_refused_with_what_makes_one(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("pools\n")
    with pytest.raises(StorageError, match="farsighted phase-map"):
        read_records(path)
