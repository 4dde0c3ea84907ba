"""Measures a map: the points that its file of records lacks, several at a time."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from farsighted.core.errors import FarsightedError, InterruptedRunError, StorageError
from farsighted.launch.build import executor_maker
from farsighted.launch.observers import Silent
from farsighted.launch.work import Executor, Launch, Opening, Task, TaskResult
from farsighted.phase_map.design import FULL, DesignPoint, Sizes, design_points, identity
from farsighted.phase_map.point import OPENER, world_hash
from farsighted.phase_map.records import PointRecord, append_record, open_records, write_records
from farsighted.store import atomic

_RECORD: Final = TypeAdapter(PointRecord)
Told = Callable[[int, int], None]
"""Is told how many points are there, and of how many."""


def run_map(out: Path, points: int, launch: Launch, seed: int, sizes: Sizes = FULL, told: Told | None = None) -> Path:
    """Measure what is missing of a map and return its file of records, points in order.

    Every finished point is on disk at once, so the same call goes on where an earlier one ended. Points beyond those
    asked for are kept.

    Args:
        out: Folder of `records.jsonl`.
        points: Points of the design, at least 1.
        launch: Who measures points, and how many at a time, each with one thread.
        seed: Of the design.
        sizes: Of the worlds.
        told: Is told of progress, at the start and after each point.

    Raises:
        StorageError: The file belongs to another design or to a program that made other worlds.
        InterruptedRunError: After Ctrl-C; what was finished is kept.
        FarsightedError: A point could not be measured; the others are kept.
    """
    wanted, who, make = design_points(points, seed), identity(seed, sizes), executor_maker(launch)
    atomic.ensure_writable(out)
    path = out / "records.jsonl"
    records = open_records(path, who)
    _check_world(path, wanted, records, sizes)
    tasks = [Task("point", str(point.number)) for point in wanted if point.number not in records]
    kept = _Kept(path, records, len(wanted) - len(tasks), len(wanted), told or (lambda _done, _of: None))
    kept.told(kept.done, kept.total)
    argument = {"points": points, "seed": seed, "sizes": asdict(sizes)}
    if tasks:
        with make(Opening(OPENER, argument, out, out / "logs", launch.workers)) as executor:
            _measure(executor, tasks, kept)
    write_records(path, who, records.values())
    return path


def _measure(executor: Executor, tasks: Sequence[Task], kept: "_Kept") -> None:
    try:
        outcomes = executor.run(tasks, Silent(kept.keep))
    except InterruptedRunError as error:
        raise InterruptedRunError("Stopped. The same command goes on from here.") from error
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        raise FarsightedError(
            f"{len(failed)} points of the map could not be measured, point {failed[0].task.name} first: "
            f"{failed[0].failure} The same command tries again."
        )


@dataclass
class _Kept:
    """The records so far: each is written down as soon as it is there, and their number told."""

    path: Path
    records: dict[int, PointRecord]
    done: int
    total: int
    told: Told

    def keep(self, outcome: TaskResult) -> None:
        """Keep the record of a point that was measured."""
        if outcome.failure is None:
            record = _RECORD.validate_python(outcome.result)
            append_record(self.path, record)
            self.records[record["point"]] = record
            self.done += 1
            self.told(self.done, self.total)


def _check_world(path: Path, wanted: Sequence[DesignPoint], records: dict[int, PointRecord], sizes: Sizes) -> None:
    """Compare the world of one recorded point: a configuration does not tell how the program makes worlds."""
    known = next((point for point in wanted if point.number in records), None)
    if known is not None and world_hash(known, sizes) != records[known.number]["world"]:
        raise StorageError(
            f"'{path}' must hold records of the worlds that this program makes, but holds those of an earlier one: "
            f"point {known.number} differs. Choose another folder with --out, or delete the file."
        )
