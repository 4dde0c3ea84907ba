"""Audits that take seconds: their configurations, one run of the command line, and what two equal runs must share."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.core.names import FAMILIES
from farsighted.core.readings import Unheard
from farsighted.protocol.tasks import Desk
from farsighted.store.layout import MARKER, Layout
from farsighted.worlds.skills.suite import build_suite

COMMAND = str(Path(sys.executable).parent / "farsighted")

OWN_SELECTORS = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from farsighted import Scored

@dataclass(frozen=True)
class Longest(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        return signals["tokens"]

@dataclass(frozen=True)
class Broken(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        # It passes with the candidates that it is tried on before the audit.
        if signals.ids[0].startswith("example-"):
            return signals["tokens"]
        return np.where(signals["tokens"] == signals["tokens"].max(), np.nan, 0.0)

@dataclass(frozen=True)
class Raising(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        if Path("mended").exists() or signals.ids[0].startswith("example-"):
            return signals["tokens"]
        raise RuntimeError("the judge is out")
"""

# Python runs a module of this name first of all, in the command and in its workers.
CLOSED_SOCKETS = """
import os, socket
def _note(text):
    with open(os.environ["CONNECTIONS"], "a") as file:
        file.write(f"{text}\\n")
def _refuse(self, address):
    _note(f"tried {address!r}")
    raise OSError("the network is closed")
socket.socket.connect = socket.socket.connect_ex = _refuse
_note(f"closed in {os.getpid()}")
"""

_CLOCKS = ("scoring_seconds", "training_seconds", "evaluation_seconds", "probe_seconds")


def micro_config(**changes):
    """Five stages of the controlled suite, three rounds each, a second a cell."""
    return {
        "title": "Micro",
        "suite": {"name": "skills", "train": 48, "validation": 6, "ood": 4, "proxy": 4},
        "seeds": [0],
        "selectors": list(FAMILIES),
        "lora": {"r": 4, "alpha": 8, "targets": ["q_proj"]},
        "training": {"batch_size": 4, "learning_rate": 5.0e-3},
        "probe": {"steps": 2, "points": 1, "items": 8},
        "statistics": {"resamples": 50},
        **changes,
    }


def nano_config(folder, **changes):
    """Two stages from files, three rounds each; the files are written into `folder`."""
    suite = build_suite(train=26, validation=4, ood=3, proxy=0, seed=3)
    stages = []
    for stage in suite.stages[:2]:
        write_jsonl(folder / f"{stage.name}.train.jsonl", [row_of(example) for example in stage.train])
        write_jsonl(folder / f"{stage.name}.test.jsonl", [row_of(example) for example in stage.validation])
        name, shifted = next(iter(stage.ood.items()))
        write_jsonl(folder / f"{name}.jsonl", [row_of(example) for example in shifted])
        files = {"train": f"{stage.name}.train.jsonl", "validation": f"{stage.name}.test.jsonl"}
        stages.append({"name": stage.name, **files, "ood": {name: f"{name}.jsonl"}})
    return {
        "title": "Nano",
        "stages": stages,
        "data_root": str(folder),
        "data": {"proxy_per_stage": 2},
        "seeds": [0],
        "selectors": ["random", "diversity"],
        "references": [],
        "lora": {"r": 2, "alpha": 4, "dropout": 0.1, "targets": ["q_proj"]},
        "training": {"batch_size": 2, "learning_rate": 5.0e-3},
        "probe": {"steps": 2, "points": 2, "items": 3},
        "statistics": {"resamples": 20},
        **changes,
    }


def without_labels(folder, *fields):
    """Take fields out of all training rows that `nano_config` wrote."""
    for path in folder.glob("*.train.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, [{key: value for key, value in row.items() if key not in fields} for row in rows])


def row_of(example):
    return {
        "id": example.id,
        "prompt": example.prompt,
        "response": example.response,
        "cluster": example.cluster,
        "difficulty": example.difficulty,
        "quality": example.quality,
    }


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_yaml(path, config):
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def desk_of(config, root, should_stop=lambda: False, listener=None):
    """What a worker has at hand."""
    prepared = prepare(load_config(config))
    cells = {cell.id: cell for cell in prepared.cells}
    return Desk(prepared.config, prepared.inputs, cells, Layout(root), should_stop, listener or Unheard())


@dataclass(frozen=True)
class MicroAudit:
    """A finished run of the command line."""

    folder: Path
    code: int
    stdout: str
    stderr: str

    @property
    def out(self):
        return self.folder / "out"

    @property
    def layout(self):
        return Layout(self.out)

    @property
    def config(self):
        return self.folder / "micro.yaml"

    @property
    def connections(self):
        return (self.folder / "connections.txt").read_text().splitlines()

    def results(self):
        return json.loads(self.layout.results.read_text())

    def cell_ids(self):
        """Selector to cell."""
        return {cell["selector"]: cell["id"] for cell in json.loads(self.layout.audit.read_text())["cells"]}


def run_micro_audit(folder):
    """Run the audit unless another process of this test session has."""
    told = folder / "outcome.json"
    if not told.exists():
        prepare_working_folder(folder)
        own = ["-s", "mine.selectors:Longest", "-s", "mine.selectors:Broken"]
        arguments = ["audit", "micro.yaml", "--out", "out", "--workers", "2", *own]
        done = subprocess.run(
            [COMMAND, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
        )
        told.write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
    return MicroAudit(folder, *json.loads(told.read_text()))


def prepare_working_folder(folder):
    """A folder as a user has it: a configuration and a package with selectors. Beside them, what closes sockets."""
    (folder / "mine").mkdir(parents=True)
    (folder / "closed").mkdir()
    (folder / "mine" / "selectors.py").write_text(OWN_SELECTORS)
    (folder / "closed" / "sitecustomize.py").write_text(CLOSED_SOCKETS)
    write_yaml(folder / "micro.yaml", micro_config())


def environment(folder):
    """No proxies, no sockets, one thread, continuous integration."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    ours = {"OMP_NUM_THREADS": "1", "CI": "1", "CONNECTIONS": str(folder / "connections.txt")}
    return kept | ours | {"PYTHONPATH": str(folder / "closed")}


def lasting(meta):
    """`cell.json` without what differs between two equal runs: clocks, and whether one was interrupted."""
    per_stage = [{key: value for key, value in stage.items() if key not in _CLOCKS} for stage in meta["per_stage"]]
    rest = {key: value for key, value in meta.items() if key not in (*_CLOCKS, "uninterrupted")}
    return rest | {"per_stage": per_stage}


def assert_same_cell(folder, other):
    """Two folders hold the same cell to the last bit, clocks aside."""
    first, second = (json.loads((path / "cell.json").read_text()) for path in (folder, other))
    assert lasting(first) == lasting(second)
    for name in ("scores.parquet", "selections.parquet"):
        assert pq.read_table(folder / name).equals(pq.read_table(other / name)), name


def complete_entries(folder: Path) -> list[Path]:
    """Markers of the complete entries of a folder that a running process may rename in or delete meanwhile.

    A recursive `glob` looks into every folder that it saw, and fails on one that has gone since.
    """
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    return [marker for entry in entries if entry.name[0] != "." and (marker := entry / MARKER).is_file()]
