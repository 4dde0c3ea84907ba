"""A pool of worker processes on this machine."""

import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, Protocol, Self

from farsighted.core.errors import (
    ConfigError,
    DataError,
    FarsightedError,
    InterruptedRunError,
    ModelError,
    SelectorError,
    StorageError,
)
from farsighted.store import atomic

Kind = Literal["stage", "clusters", "cell", "measure"]
_KINDS: Final = {kind.__name__: kind for kind in (ConfigError, DataError, ModelError, SelectorError, StorageError)}
_FATAL: Final = _KINDS.keys() - {SelectorError.__name__}
"""What no further cell would get around; a selector's mistake is its own."""
_TRIES = 2
"""A worker that dies (killed, out of memory) gets its task given to a new one once."""


@dataclass(frozen=True)
class Task:
    """One unit of work, by name."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class TaskResult:
    """How a task ended: with a result, or with a message of what went wrong."""

    task: Task
    result: Any = None
    failure: str | None = None


Inbox = queue.SimpleQueue[tuple["_Worker | None", Mapping[str, Any]]]
"""What workers say; a message of no worker is Ctrl-C."""


class Observer(Protocol):
    """Is told what happens, to show it."""

    def started(self, task: Task) -> None:
        """A worker has taken a task."""

    def progressed(self, task: Task, share: float) -> None:
        """A task is so far, 0 to 1."""

    def ended(self, outcome: TaskResult) -> None:
        """A task has ended."""


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(self, opening: Mapping[str, Any], log: Path, inbox: "Inbox") -> None:
        environment = os.environ | {
            "OMP_NUM_THREADS": os.environ.get("FARSIGHTED_THREADS", "1"),
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

    def send(self, message: Mapping[str, Any]) -> None:
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


class LocalPool:
    """Runs tasks in `workers` processes; a context manager.

    `config`: the resolved configuration as a JSON value. `root`: the audit's folder. `logs`: where the workers'
    messages go. `modules`: what workers import first, because it registers selectors.
    """

    def __init__(
        self, config: Mapping[str, Any], root: Path, logs: Path, workers: int, modules: Sequence[str] = ()
    ) -> None:
        path = [str(Path.cwd()), *sys.path]
        self._opening = {"task": "open", "config": config, "root": str(root), "path": path, "modules": list(modules)}
        self._logs = logs
        self._number = itertools.count(1)
        self._inbox: Inbox = queue.SimpleQueue()
        self._size = workers
        self._workers: list[_Worker] = []
        self._stopping = False

    def __enter__(self) -> Self:
        atomic.ensure_writable(self._logs)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        # After an interrupt or an error nobody waits for results; otherwise the workers are idle anyway.
        for worker in self._workers:
            worker.close(10 if kind is None else 1)
        self._workers.clear()

    def run(self, tasks: Sequence[Task], observer: Observer) -> list[TaskResult]:
        """Run all tasks; returns how each ended.

        Raises:
            StorageError, ModelError, ConfigError, DataError: what no further cell would get around.
            InterruptedRunError: after Ctrl-C, when every running cell has written its checkpoint.
            FarsightedError: a worker could not read the audit, so no task can be done.
        """
        shift = _Shift(list(tasks), observer)
        while len(self._workers) < min(self._size, len(tasks)):
            self._start_worker()
        with self._interrupts_as_messages():
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

    @contextlib.contextmanager
    def _interrupts_as_messages(self) -> Iterator[None]:
        """Let Ctrl-C arrive between two messages, never inside the handling of one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, lambda *_: self._inbox.put((None, {"event": "interrupt"})))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _start_worker(self) -> _Worker:
        worker = _Worker(self._opening, self._logs / f"worker-{next(self._number)}.log", self._inbox)
        worker.task = None
        self._workers.append(worker)
        return worker

    def _next(self, worker: _Worker, shift: "_Shift") -> None:
        if self._stopping or not shift.waiting:
            return
        task = shift.waiting.pop(0)
        worker.task = task
        shift.running.add(task)
        worker.send({"task": task.kind, "name": task.name})

    def _handle(self, worker: _Worker, message: Mapping[str, Any], shift: "_Shift") -> None:
        task, event = worker.task, message["event"]
        if event == "died":
            self._bury(worker, message["code"], shift)
        elif event == "progress" and task is not None:
            shift.observer.progressed(task, float(message["share"]))
        elif event == "refused" or (event == "failed" and message["kind"] in _FATAL):
            raise _KINDS.get(message["kind"], FarsightedError)(message["message"])
        elif event == "started" and task is not None:
            shift.observer.started(task)
        elif event in {"finished", "failed", "interrupted"} and task is not None:
            worker.task = None
            shift.end(TaskResult(task, message.get("result"), message.get("message")), event == "interrupted")
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
