"""One worker process: takes tasks as JSON lines on standard input, answers with JSON lines on standard output.

It is started with a fresh interpreter, so a user's script needs no main guard, and it stops with a checkpoint when told
to or when its parent is gone (standard input ends).
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from farsighted.core.errors import InterruptedRunError
from farsighted.core.readings import Reading
from farsighted.launch.inline import handler_of
from farsighted.launch.wire import Event, Request
from farsighted.launch.work import Failure, Handler, Opening, Task

_SECONDS = 1.0
"""A watched curve may be so old; steps of a small model take less than a line."""


class Wire:
    """The line to the parent: events go out, tasks come in, a closed line means stop.

    Numbers are gathered: they go out with the next whole percent, after a second, or before the task's end.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tasks: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._percent = -1
        self._readings: list[Reading] = []
        self._sent = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    def should_stop(self) -> bool:
        """Return whether the parent wants this process to stop, or is gone."""
        return self._stop.is_set()

    def next_task(self) -> Request | None:
        """Wait for a request; None = there will be no other."""
        return self._tasks.get()

    def progressed(self, share: float) -> None:
        """Say so once a percent."""
        percent = int(100 * share)
        if percent != self._percent:
            self._percent = percent
            self.send({"event": "progress", "share": share})

    def numbers(self, readings: Sequence[Reading]) -> None:
        """Gather numbers."""
        self._readings += readings
        if time.monotonic() - self._sent >= _SECONDS:
            self._flush()

    def send(self, event: Event) -> None:
        """Send one line, after the numbers that were gathered before."""
        self._flush()
        self._write(event)

    def _flush(self) -> None:
        if self._readings:
            self._write({"event": "numbers", "readings": self._readings})
            self._readings = []
        self._sent = time.monotonic()

    def _write(self, event: Event) -> None:
        # The parent may be gone: then the stop flag is up, or will be in a moment.
        with contextlib.suppress(BrokenPipeError):
            self._out.write(json.dumps(event) + "\n")
            self._out.flush()

    def _read(self) -> None:
        for line in sys.stdin:
            message: Request = json.loads(line)
            if message["task"] == "stop":
                break
            self._tasks.put(message)
        self._stop.set()
        self._tasks.put(None)


def main() -> None:
    """Serve tasks until the line closes."""
    # Ctrl-C goes to the parent, which asks its workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = Wire(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    # Whatever a library prints must not get between the events.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    do: Handler | None = None
    while (request := wire.next_task()) is not None:
        try:
            if request["task"] == "open":
                do = open_worker(request, wire)
            elif do is not None:
                wire.send({"event": "started"})
                wire.send({"event": "finished", "result": do(Task(request["task"], request["name"]))})
        except InterruptedRunError:
            wire.send({"event": "interrupted"})
        except Exception as error:  # noqa: BLE001 — reported to the parent, which names the task and goes on or stops
            traceback.print_exc()
            failure = Failure.of(error)
            what = "failed" if do else "refused"
            wire.send({"event": what, "kind": failure.kind, "message": failure.message})


def open_worker(request: Request, wire: Wire) -> Handler:
    """Return what does tasks, with the parent's folders of modules behind this process's own."""
    for entry in request["path"]:
        if entry not in sys.path:
            sys.path.append(entry)
    folder = Path(request["folder"])
    opening = Opening(request["opener"], request["argument"], folder, folder, modules=tuple(request["modules"]))
    return handler_of(opening, wire)


if __name__ == "__main__":
    main()
