"""Measures a map: the points that its file of records lacks, several at a time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from threadpoolctl import threadpool_limits

from farsighted.core.errors import ConfigError, FarsightedError, InterruptedRunError, StorageError
from farsighted.phase_map.design import FULL, DesignPoint, Sizes, design_points, identity
from farsighted.phase_map.point import run_point, world_hash
from farsighted.phase_map.records import Record, append_record, open_records, write_records
from farsighted.store import atomic

Told = Callable[[int, int], None]
"""Is told how many points are there, and of how many."""


def run_map(out: Path, points: int, workers: int, seed: int, sizes: Sizes = FULL, told: Told | None = None) -> Path:
    """Measure what is missing of a map and return its file of records, points in order.

    Every finished point is on disk at once, so the same call goes on where an earlier one ended. Points beyond those
    asked for are kept.

    Args:
        out: Folder of `records.jsonl`.
        points: Points of the design, at least 1.
        workers: Points that are run at a time, each in a process of one thread; 1 = in this process.
        seed: Of the design.
        sizes: Of the worlds.
        told: Is told of progress, at the start and after each point.

    Raises:
        ConfigError: `points` or `workers` is below 1.
        StorageError: The file belongs to another design or to a program that made other worlds.
        InterruptedRunError: After Ctrl-C; what was finished is kept.
    """
    if workers < 1:
        raise ConfigError(f"`--workers` must be at least 1, but is {workers}. Give as many as there are cores.")
    wanted, who = design_points(points, seed), identity(seed, sizes)
    atomic.ensure_writable(out)
    path = out / "records.jsonl"
    records = open_records(path, who)
    _check_world(path, wanted, records, sizes)
    missing = [point for point in wanted if point.number not in records]
    say = told or (lambda _done, _of: None)
    say(len(wanted) - len(missing), len(wanted))
    for done, record in enumerate(_measured(missing, sizes, workers), start=len(wanted) - len(missing) + 1):
        append_record(path, record)
        records[int(record["point"])] = record
        say(done, len(wanted))
    write_records(path, who, records.values())
    return path


def _check_world(path: Path, wanted: Sequence[DesignPoint], records: dict[int, Record], sizes: Sizes) -> None:
    """Compare the world of one recorded point: a configuration does not tell how the program makes worlds."""
    known = next((point for point in wanted if point.number in records), None)
    if known is not None and world_hash(known, sizes) != records[known.number]["world"]:
        raise StorageError(
            f"'{path}' must hold records of the worlds that this program makes, but holds those of an earlier one: "
            f"point {known.number} differs. Choose another folder with --out, or delete the file."
        )


def _measured(points: Sequence[DesignPoint], sizes: Sizes, workers: int) -> Iterator[Record]:
    """Run points; each record is there as soon as it is done."""
    if workers == 1 or len(points) < 2:
        for point in points:
            yield _single_threaded(point, sizes)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(points)), mp_context=context, initializer=_settle_in) as pool:
        left = {pool.submit(run_point, point, sizes) for point in points}
        try:
            for future in as_completed(tuple(left)):
                left.discard(future)
                yield _result(future)
        except KeyboardInterrupt:
            yield from _finishing(pool, left)
            raise InterruptedRunError("Stopped. The same command goes on from here.") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _single_threaded(point: DesignPoint, sizes: Sizes) -> Record:
    try:
        with threadpool_limits(1):
            return run_point(point, sizes)
    except KeyboardInterrupt:
        raise InterruptedRunError("Stopped. The same command goes on from here.") from None


def _settle_in() -> None:
    """Make a worker process ready: one thread, deaf to Ctrl-C, which its parent hears, and gone when that is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # A pool's workers wait for work for ever where their parent was killed.
        os._exit(1)


def _finishing(pool: ProcessPoolExecutor, left: Collection[Future[Record]]) -> Iterator[Record]:
    """Return the records of the points that were running when the user asked to stop."""
    pool.shutdown(wait=True, cancel_futures=True)
    for future in left:
        if not future.cancelled() and future.exception() is None:
            yield future.result()


def _result(future: Future[Record]) -> Record:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise FarsightedError(
            "A worker of the phase map was ended from outside; is there enough memory? The same command goes on with "
            "what is left; give fewer --workers."
        ) from error
