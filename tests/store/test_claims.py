"""Claims: one holder at a time whatever races, dies, sleeps or comes late."""

import contextlib
import errno
import itertools
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import pytest

from farsighted.core.errors import StorageError
from farsighted.store import claims as module
from farsighted.store.claims import LIMIT_SECONDS, Claim, ClaimLostError, Claims, Found

FORK = multiprocessing.get_context("fork")
"""A process that need not import everything again."""
DEADLINE_SECONDS = 60


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims")


def files(claims, name="x"):
    """The files of all claims on a name."""
    return list((claims.folder / name).glob("*/*"))


def silence(claims, seconds, name="x"):
    """Let the newest heartbeats be so long ago."""
    for path in files(claims, name):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def rewrite(claims, **facts):
    """Change what a claim says of its process."""
    (path,) = files(claims)
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "process": said["process"] | facts}) + "\n")


def in_a_child(do, *args):
    process = FORK.Process(target=do, args=args)
    process.start()
    process.join(DEADLINE_SECONDS)
    assert process.exitcode == 0


def until(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_who_comes_second_is_told_who_holds_the_claim(claims):
    with claims.take("x"):
        found = claims.take("x")
        assert isinstance(found, Found)
        assert found.holder.pid == os.getpid()
        assert 0 <= found.silent_seconds < LIMIT_SECONDS
        assert isinstance(claims.take("another"), Claim)
        assert claims.held("x").token == claims.find("x").token == found.token


def test_work_that_was_done_leaves_nothing_behind(claims):
    with claims.take("x"):
        assert files(claims)
    assert list(claims.folder.iterdir()) == []
    assert claims.find("x") is None


def test_work_that_was_not_done_is_free_at_once_and_the_next_one_clears_up(claims):
    for _ in range(3):
        with pytest.raises(ValueError, match="out of memory"), claims.take("x"):
            raise ValueError("out of memory")
        assert claims.held("x") is None
        assert claims.find("x").released
    with claims.take("x"):
        assert isinstance(claims.take("x"), Found)
    assert list(claims.folder.iterdir()) == []


def test_a_claim_dies_of_the_silence_that_its_holder_promised_to_break(tmp_path):
    holder, taker = Claims(tmp_path, limit_seconds=30), Claims(tmp_path, limit_seconds=1)
    holder.take("x")
    silence(holder, 29)
    assert isinstance(taker.take("x"), Found)
    silence(holder, 2)
    assert isinstance(taker.take("x"), Claim)


def test_a_holder_breaks_the_silence(tmp_path):
    claims = Claims(tmp_path, beat_seconds=0.01)
    with claims.take("x"):
        silence(claims, 2 * LIMIT_SECONDS)
        until(lambda: claims.find("x").silent_seconds < LIMIT_SECONDS)


def test_the_clock_of_this_host_decides_nothing(claims, monkeypatch):
    claims.take("x")
    for error in (-86400, 86400):
        monkeypatch.setattr(time, "time", lambda error=error: error)
        assert isinstance(claims.take("x"), Found)


def test_a_process_that_ended_on_this_host_is_taken_over_at_once(claims):
    in_a_child(claims.take, "x")
    assert not claims.find("x").alive
    assert isinstance(claims.take("x"), Claim)


@pytest.mark.parametrize(("facts", "alive"), [({"started": 1}, False), ({"system": "elsewhere", "pid": 2**30}, True)])
def test_a_number_that_is_used_again_is_no_life_and_another_hosts_numbers_say_nothing(claims, facts, alive):
    claims.take("x")
    rewrite(claims, **facts)
    assert claims.find("x").alive == alive


def test_a_holder_that_was_silent_learns_who_took_over_and_leaves_the_other_alone(claims):
    slow = claims.take("x")
    slow.check()
    silence(claims, 2 * LIMIT_SECONDS)
    quick = claims.take("x")
    with pytest.raises(ClaimLostError, match=rf"'x' was taken over by process {os.getpid()} on .*in time"):
        slow.check()
    assert slow.lost
    quick.check()


def test_a_holder_that_ends_after_it_was_taken_over_ends_only_its_own(claims):
    with claims.take("x"):
        silence(claims, 2 * LIMIT_SECONDS)
        quick = claims.take("x")
    quick.check()


def test_a_heartbeat_finds_that_the_claim_was_lost(tmp_path):
    claims = Claims(tmp_path, beat_seconds=0.01)
    with Claims(tmp_path, beat_seconds=0.05).take("x") as slow:
        until(lambda: silence(claims, 2 * LIMIT_SECONDS) or isinstance(claims.take("x"), Claim))
        until(lambda: slow.lost)


def test_a_holder_whose_work_another_one_finished_learns_that(claims):
    slow = claims.take("x")
    silence(claims, 2 * LIMIT_SECONDS)
    with claims.take("x"):
        pass
    with pytest.raises(ClaimLostError, match="a process that has finished it"):
        slow.check()


def test_a_claim_that_a_crash_left_empty_dies_of_silence(claims):
    claims.take("x")
    (path,) = files(claims)
    path.write_text("")
    assert str(claims.take("x").holder) == "process 0 on a host that cannot be read"
    silence(claims, 2 * LIMIT_SECONDS)
    with claims.take("x") as claim:
        claim.check()


def test_waiting_ends_when_the_holder_ends(claims):
    def hold(ready):
        with claims.take("x"):
            ready.set()
            time.sleep(0.05)

    ready = FORK.Event()
    process = FORK.Process(target=hold, args=(ready,))
    process.start()
    assert ready.wait(DEADLINE_SECONDS)
    with claims.wait("x", 0.005) as claim:
        claim.check()
    process.join(DEADLINE_SECONDS)


def test_claims_of_a_folder_that_cannot_be_written_can_be_looked_at(claims, monkeypatch):
    claims.take("x")

    def read_only(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    assert claims.held("x").silent_seconds < LIMIT_SECONDS


def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Claims(tmp_path / "file").take("x")


def test_a_full_disk_is_said_and_leaves_no_claim(claims, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="disk is full"):
            claims.take("x")
    assert isinstance(claims.take("x"), Claim)


def between_look_and_rename(monkeypatch, happens):
    """Let something happen after the next taker has found the claim dead, before it acts."""
    chain, waiting = module._chain, [happens]

    def looked(folder):
        found = chain(folder)
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(module, "_chain", looked)


def test_a_slow_taker_does_not_get_what_a_quicker_one_took_over(claims, monkeypatch):
    in_a_child(claims.take, "x")
    quicker = []
    between_look_and_rename(monkeypatch, lambda: quicker.append(claims.take("x")))
    found = claims.take("x")
    assert isinstance(found, Found)
    quicker[0].check()


def test_a_slow_taker_does_not_get_what_was_finished_and_begun_anew(claims, monkeypatch):
    in_a_child(claims.take, "x")
    newer = []

    def finish_and_begin():
        with claims.take("x"):
            pass
        newer.append(claims.take("x"))

    between_look_and_rename(monkeypatch, finish_and_begin)
    assert isinstance(claims.take("x"), Found)
    newer[0].check()
    assert len(files(claims)) == 1


def test_a_slow_taker_starts_anew_where_the_work_was_finished(claims, monkeypatch):
    in_a_child(claims.take, "x")

    def finish():
        with claims.take("x"):
            pass

    between_look_and_rename(monkeypatch, finish)
    with claims.take("x") as claim:
        claim.check()


RACERS, NAMES = 6, [f"n{number}" for number in range(40)]


def race(claims, start, end, wins):
    start.wait(DEADLINE_SECONDS)
    won = [name for name in NAMES if isinstance(claims.take(name), Claim)]
    wins.put(won)
    # Who ends is dead, and its claims are free.
    end.wait(DEADLINE_SECONDS)


@pytest.mark.parametrize("before", ["nobody", "a dead process", "a long chain", "a silent process"])
def test_of_many_that_race_for_a_claim_exactly_one_gets_it(claims, before):
    def die_with_all():
        for name in NAMES:
            claims.take(name)

    for _ in range({"nobody": 0, "a long chain": 3}.get(before, 1)):
        in_a_child(die_with_all)
    if before == "a silent process":
        for name in NAMES:
            claims.take(name)
            silence(claims, 2 * LIMIT_SECONDS, name)
    start, end, wins = FORK.Barrier(RACERS), FORK.Barrier(RACERS), FORK.SimpleQueue()
    racers = [FORK.Process(target=race, args=(claims, start, end, wins)) for _ in range(RACERS)]
    for racer in racers:
        racer.start()
    won = [wins.get() for _ in racers]
    for racer in racers:
        racer.join(DEADLINE_SECONDS)
    assert sorted(itertools.chain(*won)) == sorted(NAMES)


def churn(claims, inside, seed, turns):
    """Take one claim over and over; end with the work, with an error, or with the process."""
    while turns.value < 300:
        taken = claims.take("x")
        if isinstance(taken, Found):
            continue
        with contextlib.suppress(RuntimeError), taken:
            # Fails, and with it the process, where another one is inside.
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            taken.check()
            turns.value += 1
            inside.unlink()
            fate = (turns.value * 7 + seed) % 5
            if fate == 0:
                os._exit(17)
            if fate < 3:
                raise RuntimeError("not done")


def test_nobody_is_ever_inside_with_another_one_however_claims_end(claims, tmp_path):
    turns = FORK.Value("i", 0, lock=False)
    codes = []
    crowd = []
    while turns.value < 300:
        crowd = [process for process in crowd if process.is_alive() or codes.append(process.exitcode)]
        while len(crowd) < 4 and turns.value < 300:
            crowd.append(FORK.Process(target=churn, args=(claims, tmp_path / "inside", len(codes), turns)))
            crowd[-1].start()
        time.sleep(0.002)
    for process in crowd:
        process.join(DEADLINE_SECONDS)
        codes.append(process.exitcode)
    assert set(codes) == {0, 17}
    assert codes.count(17) > 10
