"""One worker process: takes tasks as JSON lines on standard input, answers with JSON lines on standard output.

It is started with a fresh interpreter, so a user's script needs no main guard, and it stops with a checkpoint when told
to or when its parent is gone (standard input ends).
"""

import contextlib
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from farsighted.config.load import load_config
from farsighted.core.errors import FarsightedError, InterruptedRunError
from farsighted.protocol.inputs import load_inputs
from farsighted.protocol.plan import plan_cells
from farsighted.protocol.tasks import Desk, run_cell_task, run_clusters_task, run_measure_task, run_stage_task
from farsighted.store.layout import Layout


class _Wire:
    """The line to the parent: events go out, tasks come in, a closed line means stop."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def next_task(self) -> dict[str, Any] | None:
        return self._tasks.get()

    def send(self, event: str, **fields: Any) -> None:
        # The parent may be gone: then the stop flag is up, or will be in a moment.
        with contextlib.suppress(BrokenPipeError):
            self._out.write(json.dumps({"event": event, **fields}) + "\n")
            self._out.flush()

    def _read(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if message["task"] == "stop":
                break
            self._tasks.put(message)
        self._stop.set()
        self._tasks.put(None)


def main() -> None:
    """Serve tasks until the line closes."""
    # Ctrl-C goes to the parent, which asks its workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = _Wire(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    # Whatever a library prints must not get between the events.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    desk: Desk | None = None
    while (task := wire.next_task()) is not None:
        try:
            if task["task"] == "open":
                desk = _open(task, wire)
            elif desk is not None:
                wire.send("started")
                wire.send("finished", result=_run(desk, task))
        except InterruptedRunError:
            wire.send("interrupted")
        except Exception as error:  # noqa: BLE001 — reported to the parent, which names the task and goes on or stops
            traceback.print_exc()
            wire.send("failed" if desk else "refused", kind=type(error).__name__, message=_message(error))


def _open(task: dict[str, Any], wire: _Wire) -> Desk:
    for entry in task["path"]:
        if entry not in sys.path:
            sys.path.append(entry)
    for module in task["modules"]:
        importlib.import_module(module)
    config = load_config(task["config"])
    inputs = load_inputs(config)
    cells = {cell.id: cell for cell in plan_cells(config, inputs)}
    report = _throttled(wire)
    return Desk(config, inputs, cells, Layout(Path(task["root"])), wire.should_stop, report)


def _throttled(wire: _Wire) -> Any:
    last = [-1]

    def report(share: float) -> None:
        percent = int(100 * share)
        if percent != last[0]:
            last[0] = percent
            wire.send("progress", share=share)

    return report


def _run(desk: Desk, task: dict[str, Any]) -> Any:
    if task["task"] == "stage":
        return run_stage_task(desk, task["name"])
    if task["task"] == "clusters":
        return run_clusters_task(desk)
    if task["task"] == "measure":
        return run_measure_task(desk, task["name"])
    return run_cell_task(desk, task["name"])


def _message(error: Exception) -> str:
    if isinstance(error, FarsightedError):
        return str(error)
    # A stranger's message may end in anything or be empty; what follows it is a sentence.
    return f"{type(error).__name__}: {error}".rstrip(" .:") + "."


if __name__ == "__main__":
    main()
