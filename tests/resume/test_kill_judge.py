"""A selection that is killed while a judge grades goes on where it stopped."""

import json
import os
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest

from oracles.judge_stub import Stub
from oracles.micro import COMMAND, write_jsonl

ROWS = [{"id": f"e{n}", "prompt": f"Ask {{{n}}}?", "response": f"Say {n}."} for n in range(40)]
AT_ONCE = 8
"""Requests that may be under way when the process dies: they were asked, and their answers are lost."""
DEADLINE_SECONDS = 180


@pytest.fixture
def folder(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", [*ROWS, {"id": "bad", "prompt": "no response"}])
    return tmp_path


@pytest.fixture
def stub():
    found = Stub(seconds=0.1)
    found.plan = {f"{{{n}}}": [(200, str(n % 6))] * 9 for n in range(len(ROWS))}
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_what_was_graded_before_the_end_is_not_asked_for_again(folder, stub, sign, code):
    first = start(folder, stub)
    kept = wait_for_answers(first, folder, 10)
    os.kill(first.pid, sign)
    assert first.wait(DEADLINE_SECONDS) == code
    assert not (folder / "out.jsonl").exists()
    assert kept <= answers(folder)

    second = start(folder, stub)
    assert second.wait(DEADLINE_SECONDS) == 0
    assert len(ROWS) <= len(stub.asked) <= len(ROWS) + AT_ONCE
    scores = {row["id"]: row["score"] for row in pq.read_table(folder / "out.jsonl.scores.parquet").to_pylist()}
    assert scores == pytest.approx({f"e{n}": n % 6 / 5 for n in range(len(ROWS))})
    assert all(json.loads(line)["farsighted"]["score"] == 1.0 for line in lines(folder / "out.jsonl")[:6])
    assert [json.loads(line)["line"] for line in lines(folder / "out.jsonl.bad_rows.jsonl")] == [len(ROWS) + 1]


def start(folder, stub):
    settings = [f"judge.url=http://127.0.0.1:{stub.server.server_port}/v1", "judge.model=m"]
    settings += ["judge.requests_per_minute=60000"]
    told = [word for pair in settings for word in ("--quality-set", pair)]
    wanted = ["select", "pool.jsonl", "-s", "quality", "--quality", "judge", *told, "-b", "25%", "-o", "out.jsonl"]
    return subprocess.Popen(
        [COMMAND, *wanted, "--on-bad-row", "skip", "--max-bad-share", "0.1", "--cache", "cache"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        # Who starts tests in the background may have them ignore Ctrl-C, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def answers(folder):
    """Names of the answers that are kept."""
    return {path.name for path in (folder / "cache" / "judge").glob("*.json")}


def wait_for_answers(process, folder, count):
    """Return the answers that are kept once there are so many, while others are still to come."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(answers(folder)) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    found = answers(folder)
    assert len(found) < len(ROWS)
    return found


def lines(path):
    return path.read_text().splitlines()
