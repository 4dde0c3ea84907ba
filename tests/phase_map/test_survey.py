import json

import pytest

from farsighted import audit
from farsighted.core.errors import ConfigError, InterruptedRunError, StorageError
from farsighted.phase_map import survey as run
from farsighted.phase_map.design import METRICS, QUICK, SELECTORS, design_points, overrides
from farsighted.phase_map.point import run_point
from farsighted.phase_map.records import read_records
from farsighted.phase_map.survey import run_map


def fake(point, sizes):
    return {"point": point.number, "world": "same", "value": point.noise}


@pytest.fixture
def ran(monkeypatch):
    """Points cost nothing; the list of those that were run."""
    numbers = []

    def note(point, sizes):
        numbers.append(point.number)
        return fake(point, sizes)

    monkeypatch.setattr(run, "run_point", note)
    monkeypatch.setattr(run, "world_hash", lambda point, sizes: "same")
    return numbers


def test_a_points_numbers_are_those_of_the_ordinary_audit(tmp_path):
    point = design_points(3, 0)[2]
    record = run_point(point, QUICK)
    audit("quadratic", tmp_path, overrides(point, QUICK))
    cells = {cell["selector"]: cell["metrics"] for cell in json.loads((tmp_path / "results.json").read_text())["cells"]}
    assert set(cells) == set(SELECTORS)
    assert record["random"] == {key: cells["random"][key] for key in METRICS}
    for name, found in record["differences"].items():
        assert found == {key: cells[name][key] - cells["random"][key] for key in METRICS}
    assert record["measured"]["alignment"] == pytest.approx(point.alignment, abs=0.2)
    assert record["measured"]["rank"] == point.rank / 48


def test_an_interrupted_map_goes_on_without_running_a_point_twice(ran, tmp_path, monkeypatch):
    def stop_at_three(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_map(tmp_path, 6, 1, 0, told=stop_at_three)
    run_map(tmp_path, 6, 1, 0)
    assert ran == [0, 1, 2, 3, 4, 5]
    run_map(tmp_path, 8, 1, 0)
    assert ran == list(range(8))


def test_ctrl_c_within_a_point_keeps_the_others(ran, tmp_path, monkeypatch):
    def stop(point, sizes):
        if point.number == 2:
            raise KeyboardInterrupt
        return fake(point, sizes)

    monkeypatch.setattr(run, "run_point", stop)
    with pytest.raises(InterruptedRunError, match="goes on from here"):
        run_map(tmp_path, 6, 1, 0)
    assert set(read_records(tmp_path / "records.jsonl")[1]) == {0, 1}


def test_the_same_seed_gives_the_same_file_interrupted_or_not(ran, tmp_path):
    run_map(tmp_path / "a", 3, 1, 0)
    run_map(tmp_path / "a", 6, 1, 0)
    run_map(tmp_path / "b", 6, 1, 0)
    assert (tmp_path / "a/records.jsonl").read_bytes() == (tmp_path / "b/records.jsonl").read_bytes()


def test_records_of_worlds_that_are_no_longer_made_are_refused(ran, tmp_path, monkeypatch):
    run_map(tmp_path, 2, 1, 0)
    monkeypatch.setattr(run, "world_hash", lambda point, sizes: "other")
    with pytest.raises(StorageError, match="holds those of an earlier one"):
        run_map(tmp_path, 4, 1, 0)


def test_another_seed_needs_another_folder(ran, tmp_path):
    run_map(tmp_path, 2, 1, 0)
    with pytest.raises(StorageError, match="Choose another folder"):
        run_map(tmp_path, 2, 1, 1)


def test_several_workers_measure_the_same_points_as_one(tmp_path):
    for workers in (1, 2):
        run_map(tmp_path / str(workers), 2, workers, 0, QUICK)
    assert (tmp_path / "1/records.jsonl").read_bytes() == (tmp_path / "2/records.jsonl").read_bytes()


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="`--workers` must be at least 1"):
        run_map(tmp_path, 2, 0, 0)
