import json
import signal

import pytest

from farsighted import audit
from farsighted.core.errors import FarsightedError, InterruptedRunError, StorageError
from farsighted.launch.work import Launch
from farsighted.phase_map import survey as run
from farsighted.phase_map.design import METRICS, QUICK, SELECTORS, design_points, overrides
from farsighted.phase_map.point import run_point
from farsighted.phase_map.records import read_records
from farsighted.phase_map.survey import run_map
from oracles.executors import doing


def recorded(task):
    """A record without numbers but the one that tells points apart."""
    parts = {key: {} for key in ("parameters", "measured", "differences", "standard_errors")}
    number = int(task.name)
    return {"point": number, "data_seed": 0, "seed": 0, "world": "same", "random": {"current": number / 7}, **parts}


def free(numbers):
    """A launch whose points cost nothing; `numbers` becomes the list of those that were run."""

    def measure(task):
        numbers.append(int(task.name))
        return recorded(task)

    return Launch(1, doing(measure))


@pytest.fixture
def same_world(monkeypatch):
    monkeypatch.setattr(run, "world_hash", lambda point, sizes: "same")


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


def test_an_interrupted_map_goes_on_without_running_a_point_twice(same_world, tmp_path):
    def stop_at_three(done, of):
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    ran = []
    with pytest.raises(InterruptedRunError, match="goes on from here"):
        run_map(tmp_path, 6, free(ran), 0, told=stop_at_three)
    assert ran == [0, 1, 2]
    run_map(tmp_path, 6, free(ran), 0)
    assert ran == [0, 1, 2, 3, 4, 5]
    run_map(tmp_path, 8, free(ran), 0)
    assert ran == list(range(8))


def test_ctrl_c_within_a_point_keeps_the_others(same_world, tmp_path):
    def stop(task):
        if task.name == "2":
            raise InterruptedRunError("Stopped.")
        return recorded(task)

    with pytest.raises(InterruptedRunError, match="goes on from here"):
        run_map(tmp_path, 6, Launch(1, doing(stop)), 0)
    assert set(read_records(tmp_path / "records.jsonl")[1]) == {0, 1}


def test_a_point_that_fails_is_named_and_the_others_are_kept(same_world, tmp_path):
    def fail(task):
        if task.name == "2":
            raise RuntimeError("out of memory")
        return recorded(task)

    with pytest.raises(FarsightedError, match=r"1 points .* point 2 first: RuntimeError: out of memory .*\. The same"):
        run_map(tmp_path, 6, Launch(1, doing(fail)), 0)
    assert set(read_records(tmp_path / "records.jsonl")[1]) == {0, 1, 3, 4, 5}


def test_the_same_seed_gives_the_same_file_interrupted_or_not(same_world, tmp_path):
    run_map(tmp_path / "a", 3, free([]), 0)
    run_map(tmp_path / "a", 6, free([]), 0)
    run_map(tmp_path / "b", 6, free([]), 0)
    assert (tmp_path / "a/records.jsonl").read_bytes() == (tmp_path / "b/records.jsonl").read_bytes()


def test_records_of_worlds_that_are_no_longer_made_are_refused(same_world, tmp_path, monkeypatch):
    run_map(tmp_path, 2, free([]), 0)
    monkeypatch.setattr(run, "world_hash", lambda point, sizes: "other")
    with pytest.raises(StorageError, match="holds those of an earlier one"):
        run_map(tmp_path, 4, free([]), 0)


def test_another_seed_needs_another_folder(same_world, tmp_path):
    run_map(tmp_path, 2, free([]), 0)
    with pytest.raises(StorageError, match="Choose another folder"):
        run_map(tmp_path, 2, free([]), 1)


def test_several_workers_measure_the_same_points_as_one(tmp_path):
    for workers in (1, 2):
        run_map(tmp_path / str(workers), 2, Launch(workers), 0, QUICK)
    run_map(tmp_path / "here", 2, Launch(executor="inline"), 0, QUICK)
    first, *others = ((tmp_path / name / "records.jsonl").read_bytes() for name in ("1", "2", "here"))
    assert others == [first, first]
