"""An executor with worker processes on this machine."""

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from farsighted.core.errors import InterruptedRunError
from farsighted.core.readings import Reading
from farsighted.launch.interrupts import told_of_interrupts
from farsighted.launch.threads import thread_count
from farsighted.launch.wire import Event, Request
from farsighted.launch.work import Failure, Observer, Opening, Task, TaskResult
from farsighted.store import atomic

_TRIES = 2
"""A worker that dies (killed, out of memory) gets its task given to a new one once."""

Inbox = queue.SimpleQueue[tuple["_Worker | None", Event]]
"""What workers say; an event of no worker is Ctrl-C."""


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(self, opening: Request, log: Path, inbox: Inbox) -> None:
        environment = os.environ | {
            "OMP_NUM_THREADS": str(thread_count()),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        self._log: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "farsighted.launch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.task: Task | None = None
        self._inbox = inbox
        threading.Thread(target=self._listen, daemon=True).start()
        self.send(opening)

    def send(self, message: Request) -> None:
        """Send one line; a dead process is noticed by its listener."""
        if self.process.stdin is None or self.process.poll() is not None:
            return
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def close(self, seconds: float) -> None:
        """Close the line and wait; kill what does not end."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def _listen(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                self._inbox.put((self, json.loads(line)))
            self.process.stdout.close()
        self._inbox.put((self, {"event": "died", "code": self.process.wait()}))


class LocalExecutor:
    """Runs tasks in processes of their own, one thread each."""

    def __init__(self, opening: Opening) -> None:
        self._opening: Request = {
            "task": "open",
            "opener": opening.opener,
            "argument": dict(opening.argument),
            "folder": str(opening.folder),
            "path": [str(Path.cwd()), *sys.path],
            "modules": list(opening.modules),
        }
        self._logs = opening.logs
        self._number = itertools.count(1)
        self._inbox: Inbox = queue.SimpleQueue()
        self._size = opening.workers
        self._workers: list[_Worker] = []
        self._stopping = False

    def __enter__(self) -> Self:
        """Get ready; raises `StorageError` where the folder of logs cannot be written."""
        atomic.ensure_writable(self._logs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, and wait for them."""
        # After an interrupt or an error nobody waits for results; otherwise the workers are idle anyway.
        for worker in self._workers:
            worker.close(10 if kind is None else 1)
        self._workers.clear()

    def run(self, tasks: Sequence[Task], observer: Observer) -> list[TaskResult]:
        """Run all tasks, those that were handed in first before others; raises as `launch.work.Executor` says."""
        shift = _Shift(list(tasks), observer)
        while len(self._workers) < min(self._size, len(tasks)):
            self._start_worker()
        with told_of_interrupts(lambda: self._inbox.put((None, {"event": "interrupt"}))):
            for worker in self._workers:
                self._next(worker, shift)
            while shift.open:
                speaker, message = self._inbox.get()
                if speaker is None:
                    self._interrupt()
                else:
                    self._handle(speaker, message, shift)
        if self._stopping:
            raise InterruptedRunError("Stopped; every running cell has written a checkpoint. The same command goes on.")
        return shift.results

    def _start_worker(self) -> _Worker:
        worker = _Worker(self._opening, self._logs / f"worker-{next(self._number)}.log", self._inbox)
        self._workers.append(worker)
        return worker

    def _next(self, worker: _Worker, shift: "_Shift") -> None:
        if self._stopping or not shift.waiting:
            return
        task = shift.waiting.pop(0)
        worker.task = task
        shift.running.add(task)
        worker.send({"task": task.kind, "name": task.name})

    def _handle(self, worker: _Worker, message: Event, shift: "_Shift") -> None:
        task, event = worker.task, message["event"]
        if event == "died":
            self._bury(worker, message["code"], shift)
        elif event == "progress" and task is not None:
            shift.observer.progressed(task, message["share"])
        elif event == "numbers" and task is not None:
            shift.observer.numbers(task, [Reading(*fields) for fields in message["readings"]])
        elif event == "refused":
            raise Failure(message["kind"], message["message"]).error()
        elif event == "started" and task is not None:
            shift.observer.started(task)
        elif event in {"finished", "failed", "interrupted"} and task is not None:
            self._end(worker, task, message, shift)

    def _end(self, worker: _Worker, task: Task, message: Event, shift: "_Shift") -> None:
        if message["event"] == "failed":
            failure = Failure(message["kind"], message["message"])
            if failure.ends_everything:
                raise failure.error()
        worker.task = None
        interrupted = message["event"] == "interrupted"
        # A task may stop by itself, as one within another does: then nobody waits for the rest either.
        if interrupted and not self._stopping:
            self._interrupt()
        shift.end(TaskResult(task, message.get("result"), message.get("message")), interrupted)
        self._next(worker, shift)

    def _bury(self, worker: _Worker, code: int, shift: "_Shift") -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        worker.close(1)
        task = worker.task
        if task is None or task not in shift.running:
            return
        shift.tries[task] = shift.tries.get(task, 0) + 1
        if self._stopping or shift.tries[task] >= _TRIES:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            why = f"Its process was ended {how}; is there enough memory? See {self._logs}."
            shift.end(TaskResult(task, failure=why), interrupted=self._stopping)
        else:
            shift.running.discard(task)
            shift.waiting.insert(0, task)
        if shift.waiting and not self._stopping:
            self._next(self._start_worker(), shift)

    def _interrupt(self) -> None:
        if self._stopping:
            raise InterruptedRunError("Stopped at once. The same command goes on from the newest checkpoints.")
        self._stopping = True
        for worker in self._workers:
            worker.send({"task": "stop"})


class _Shift:
    """The state of one `run`."""

    def __init__(self, tasks: list[Task], observer: Observer) -> None:
        self.waiting = tasks
        self.running: set[Task] = set()
        self.results: list[TaskResult] = []
        self.tries: dict[Task, int] = {}
        self.observer = observer

    @property
    def open(self) -> bool:
        """Whether anything is running; what waits is started when a worker falls free."""
        return bool(self.running)

    def end(self, outcome: TaskResult, interrupted: bool) -> None:
        """Take a task off the list of running ones."""
        self.running.discard(outcome.task)
        if not interrupted:
            self.results.append(outcome)
            self.observer.ended(outcome)
