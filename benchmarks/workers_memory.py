"""`python -m benchmarks.workers_memory`: memory of an audit's processes, and how long until its first cell begins.

An audit of two stages over large files runs in a process of its own, with workers, while this one reads from /proc what
they hold: proportional set sizes, in which a page that n processes share counts 1/n for each. PYTHONPATH chooses the
version that is measured: its `farsighted.audit` is all that is used of it. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PAUSE_SECONDS = 0.25
WORDS = tuple(Path(__file__).read_text().split()[:200])
"""What texts are made of."""


def write_files(folder: Path, rows: int, words: int, seed: int = 0) -> None:
    """Write two stages of `rows` / 2 training rows each, with small evaluation sets."""
    rng = np.random.default_rng(seed)
    for stage in ("one", "two"):
        for part, count in (("train", rows // 2), ("test", 32)):
            with (folder / f"{stage}.{part}.jsonl").open("w") as file:
                for number in range(count):
                    prompt, response = (" ".join(rng.choice(WORDS, words // 2)) for _ in range(2))
                    row = {
                        "id": f"{stage}-{part}-{number}",
                        "prompt": f"{number} {part}: {prompt}",
                        "response": response,
                    }
                    file.write(json.dumps(row) + "\n")


def config_of(folder: Path) -> dict[str, object]:
    """Return an audit whose cells do little but hold their inputs."""
    stages = [
        {
            "name": name,
            "train": f"{name}.train.jsonl",
            "validation": [f"{name}.test.jsonl"],
            "measure": "token_accuracy",
        }
        for name in ("one", "two")
    ]
    return {
        "stages": stages,
        "data_root": str(folder),
        "data": {"proxy_per_stage": 4},
        "seeds": [0, 1],
        "budgets": ["4000 tokens"],
        "selectors": ["random", "quality"],
        "probe": {"steps": 2, "points": 1, "items": 8},
        "evaluation": {"batch_tokens": 2048},
    }


class Times:
    """An observer that notes when the first task of each kind began."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.first: dict[str, float] = {}

    def started(self, task: object) -> None:
        """Note the time."""
        self.first.setdefault(task.kind, time.monotonic() - self.began)  # type: ignore[attr-defined]

    def progressed(self, *_: object) -> None:
        """Do nothing."""

    def numbers(self, *_: object) -> None:
        """Do nothing."""

    def noted(self, *_: object) -> None:
        """Do nothing."""

    def ended(self, *_: object) -> None:
        """Do nothing."""


def run_audit(folder: Path, workers: int) -> None:
    """Run the audit here and print how long things took, as JSON."""
    times = Times(time.monotonic())
    import farsighted

    farsighted.audit(config_of(folder), folder / "out", workers=workers, observer=times)
    sys.stdout.write(json.dumps({"first": times.first, "seconds": time.monotonic() - times.began}))


def pss_bytes(process: int) -> int:
    """Return the proportional set size of a process; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def children_of(process: int) -> list[int]:
    """Return the processes that one has started."""
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def measure(folder: Path, workers: int) -> dict[str, object]:
    """Run the audit in a process of its own; returns peaks in bytes beside its times."""
    command = [sys.executable, __file__, "--inside", str(folder), "--workers", str(workers)]
    audit = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = {"parent": 0, "workers": 0, "all": 0}
    while audit.poll() is None:
        # One reading stands for one moment: workers are read one after the other, within milliseconds.
        parent, held = pss_bytes(audit.pid), [pss_bytes(child) for child in children_of(audit.pid)]
        now = {"parent": parent, "workers": sum(held), "all": parent + sum(held)}
        peak = {name: max(peak[name], size) for name, size in now.items()}
        time.sleep(PAUSE_SECONDS)
    told = audit.stdout.read() if audit.stdout else ""
    if audit.returncode:
        raise RuntimeError(f"The audit ended with exit code {audit.returncode}.")
    return {"peak_pss_bytes": peak, **json.loads(told)}


def main() -> None:
    """Make files, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60000, help="training rows, both stages together")
    parser.add_argument("--words", type=int, default=40, help="words of a row")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        run_audit(given.inside, given.workers)
        return
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name), given.rows, given.words)
        sizes = {"rows": given.rows, "words": given.words, "workers": given.workers}
        sys.stdout.write(json.dumps(sizes | measure(Path(name), given.workers)) + "\n")


if __name__ == "__main__":
    main()
