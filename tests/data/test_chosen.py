import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import ConfigError, DataError, StorageError
from farsighted.core.values import Pool, Ranking, Tokens
from farsighted.data.chosen import Selected, Target, beside, check_target, reasons_of
from farsighted.data.twins import Dropped
from farsighted.files.apart import Inputs
from farsighted.files.formats import read_examples
from farsighted.files.rows import BadRow
from oracles.micro import write_jsonl


def selection(folder, order=(2, 0, 1), chosen=2, **parts):
    """Three rows of a file, ranked and cut."""
    rows = [{"id": name, "prompt": "p", "response": "r", "extra": [name]} for name in "abc"]
    file = write_jsonl(folder / "data.jsonl", rows)
    examples = read_examples([file])
    pool = Pool("data", tuple(Tokens(example, (1, 2, 3, 4), 2) for example in examples.examples))
    order = np.array(order)
    score = np.empty(3)
    score[order] = [0.9, 0.5, 0.1]
    return Selected(pool, Ranking(order, score, parts), order[:chosen], (file,), examples, {})


def test_ids_ranks_and_rows_are_in_the_order_of_the_ranking(tmp_path):
    chosen = selection(tmp_path)
    assert chosen.ids == ("c", "a")
    assert chosen.rank.tolist() == [1, 2, 0]
    assert [row["extra"] for row in chosen.rows()] == [["c"], ["a"]]
    assert [row["farsighted"]["rank"] for row in chosen.rows()] == [0, 1]
    assert tuple(row["farsighted"]["id"] for row in chosen.rows()) == chosen.ids
    assert chosen.table().column("chosen").to_pylist() == [True, False, True]


def test_parts_of_a_score_are_told_in_rows_and_in_the_table(tmp_path):
    chosen = selection(tmp_path, near=np.array([1.0, 2.0, 3.0]))
    assert chosen.rows()[0]["farsighted"]["components"] == {"near": 3.0}
    assert chosen.table().column("component_near").to_pylist() == [1.0, 2.0, 3.0]
    assert "components" not in selection(tmp_path).rows()[0]["farsighted"]


def test_what_is_written_is_the_rows_and_beside_them_the_scores(tmp_path):
    chosen = selection(tmp_path)
    chosen.write(tmp_path / "out.jsonl")
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == chosen.rows()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "out.jsonl", "out.jsonl.scores.parquet"]


def test_a_file_that_lost_a_chosen_row_is_refused_and_nothing_is_written(tmp_path):
    chosen = selection(tmp_path)
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "prompt": "p", "response": "r"}])
    with pytest.raises(DataError, match=r"data\.jsonl:3 is gone. Select again"):
        chosen.write(tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_another_ending_and_a_folder_that_is_a_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.jsonl or \.parquet, but is .*out\.csv"):
        selection(tmp_path).write(tmp_path / "out.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        check_target(tmp_path / "file" / "out.jsonl")


def test_nulls_that_a_table_fills_up_with_are_no_part_of_a_written_row(tmp_path):
    """One row names a city, the other a zone: in the table both have both."""
    calls = [[{"name": "f", "arguments": {"city": "Oslo"}}], [{"name": "f", "arguments": {"zone": "CET"}}]]
    rows = [{"prompt": f"p{n}", "response": "r", "calls": call, "note": None} for n, call in enumerate(calls)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    examples = read_examples([tmp_path / "data.parquet"])
    pool = Pool("data", tuple(Tokens(example, (1, 2, 3), 2) for example in examples.examples))
    order = np.array([0, 1])
    chosen = Selected(pool, Ranking(order, np.array([1.0, 0.5])), order, (tmp_path / "data.parquet",), examples, {})
    assert [row["calls"] for row in chosen.rows()] == calls
    assert [row["note"] for row in chosen.rows()] == [None, None]


def test_reasons_tell_rank_and_where_each_part_lies():
    """Of four candidates 0.5 is above the two smaller ones: half of the pool."""
    parts = {"utility": np.array([0.1, 0.5, 0.2, 0.9])}
    ranking = Ranking(np.array([3, 1, 2, 0]), np.array([1.0, 3.0, 2.0, 4.0]), parts)
    assert reasons_of(ranking)[1] == "rank 2 of 4: utility 0.5 (above 50 % of the pool)"


def test_reasons_of_a_plain_score_tell_the_score():
    ranking = Ranking(np.array([1, 0]), np.array([1.0, 3.0]))
    assert reasons_of(ranking) == (
        "rank 2 of 2: score 1 (above 0 % of the pool)",
        "rank 1 of 2: score 3 (above 50 % of the pool)",
    )


def test_what_was_read_is_never_written_over_and_stays_as_it_was(tmp_path):
    chosen = selection(tmp_path)
    chosen = replace(chosen, inputs=Inputs(tmp_path, {"the data": ("*.jsonl",)}))
    before = (tmp_path / "data.jsonl").read_bytes()
    for name in ("data.jsonl", "out.jsonl", "out.parquet"):
        with pytest.raises(ConfigError, match="must not be written"):
            chosen.write(tmp_path / name)
    assert (tmp_path / "data.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_files_beside_an_earlier_selection_do_not_outlive_it(tmp_path):
    chosen = selection(tmp_path)
    told = replace(chosen, dropped=(Dropped("b", "f:2", "a", "f:1", 1.0),), bad_rows=(BadRow("f", 3, "is bad", "x"),))
    told.write(tmp_path / "out.jsonl")
    scores, bad_rows, dropped = beside(tmp_path / "out.jsonl")
    assert json.loads(dropped.read_text())["twin"] == "a"
    assert json.loads(bad_rows.read_text())["line"] == 3
    chosen.write(tmp_path / "out.jsonl")
    assert (scores.exists(), bad_rows.exists(), dropped.exists()) == (True, False, False)


def test_what_was_taken_is_told_beside_what_was_allowed(tmp_path):
    chosen = selection(tmp_path)
    assert chosen.taken == Target(4)
    assert replace(chosen, target=Target(1.5, "examples")).taken == Target(2, "examples")
    assert Target(3.5).exceeded_by(Target(4))
    assert not Target(4).exceeded_by(Target(4))
    assert [str(Target(amount)) for amount in (20, 25.25, 1234567.0, 10 / 3)] == ["20", "25.25", "1,234,567", "3.33"]


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(ConfigError, match=r"must be a file, but .*out\.jsonl' is a folder"):
        check_target(tmp_path / "out.jsonl")
