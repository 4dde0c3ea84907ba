"""Grades from a language model behind an OpenAI-compatible address, each kept on disk as soon as it is there."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Final, TypedDict

import numpy as np

from farsighted.core import fingerprint
from farsighted.core.errors import ModelError
from farsighted.core.values import Example
from farsighted.store import atomic

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_AGAIN: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""
_WORKERS: Final = 8
_LONGEST_WAIT: Final = 60.0
_THOUGHT: Final = "</think>"
"""What ends the thoughts that some models write before their answer."""

Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Judge:
    """Who grades, and how."""

    url: str
    model: str
    question: str
    """With {prompt} and {response} in it."""
    lowest: float
    highest: float
    requests_per_minute: int
    retries: int
    timeout_seconds: float
    key: str | None = None
    """Sent as a bearer token."""


@dataclass(frozen=True, slots=True)
class Grades:
    """What a judge said of N examples."""

    quality_N: np.ndarray
    """(N,) in [0, 1]: the grade's place between lowest and highest."""
    tokens_read: int
    """Tokens of all requests, those of earlier runs included."""
    tokens_written: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the judge said of one example."""

    text: str
    grade: float
    read: int
    written: int


class _Pace:
    """Lets requests start no closer together than the limit allows."""

    def __init__(self, per_minute: int, clock: Callable[[], float], sleep: Sleep) -> None:
        self._gap, self._clock, self._sleep = 60.0 / per_minute, clock, sleep
        self._next = clock()
        self._lock = Lock()

    def wait(self) -> None:
        with self._lock:
            start = max(self._next, self._clock())
            self._next = start + self._gap
        self._sleep(max(0.0, start - self._clock()))


def judged(
    examples: Sequence[Example],
    judge: Judge,
    folder: Path,
    clock: Callable[[], float] = time.monotonic,
    sleep: Sleep | None = None,
) -> Grades:
    """Return a judge's grades; those that `folder` holds already are not asked for again.

    Args:
        examples: What is graded.
        judge: Who grades.
        folder: One file a grade, named by the content of its request; written as soon as the answer is there.
        clock: Seconds, for the pace of requests.
        sleep: Waits; None: as long as is asked for, or until the work is broken off.

    Raises:
        ModelError: An address that does not answer after all retries, or answers that hold no grade; what was graded
            until then is kept.
        StorageError: The folder cannot be written to.
    """
    stopped = Event()
    wait = sleep or stopped.wait
    pace = _Pace(judge.requests_per_minute, clock, wait)

    def grade(example: Example) -> _Answer:
        body = _request(judge, example)
        file = folder / f"{fingerprint.of_json([judge.url, body])}.json"
        kept = _kept(judge, file)
        if kept is not None:
            return kept
        answer = _asked(judge, body, example.id, pace, wait, stopped)
        usage = {"read": answer.read, "written": answer.written}
        atomic.write_json(file, {"text": answer.text, "usage": usage})
        return answer

    with atomic.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        pending = [pool.submit(grade, example) for example in examples]
        try:
            answers = [each.result() for each in pending]
        except BaseException:
            # What was asked is paid for: its answer is waited for and kept, but nothing is asked again.
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    grades = np.array([answer.grade for answer in answers])
    share = (grades - judge.lowest) / (judge.highest - judge.lowest)
    return Grades(share, sum(answer.read for answer in answers), sum(answer.written for answer in answers))


def _request(judge: Judge, example: Example) -> dict[str, object]:
    # Not str.format: braces are common in code.
    parts = {"{prompt}": example.prompt, "{response}": example.response}
    content = re.sub(r"\{prompt\}|\{response\}", lambda found: parts[found[0]], judge.question)
    return {"model": judge.model, "messages": [{"role": "user", "content": content}], "temperature": 0}


def _kept(judge: Judge, file: Path) -> _Answer | None:
    """Return an answer of an earlier run; None where there is none, or no grade can be read from it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        text, usage = found["text"], found["usage"]
        return _Answer(text, _grade(judge, text), usage["read"], usage["written"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _asked(
    judge: Judge, body: dict[str, object], example_id: str, pace: _Pace, sleep: Sleep, stopped: Event
) -> _Answer:
    """Return one answer, asked for again where that may help."""
    reason = "it was broken off"
    for attempt in range(judge.retries + 1):
        pace.wait()
        if stopped.is_set():
            break
        wait = 2.0**attempt
        try:
            return _read(judge, _sent(judge, body))
        except urllib.error.HTTPError as error:
            reason, wait = _told(error), _asked_to_wait(error, wait)
            if error.code not in _AGAIN:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) if isinstance(error, _UngradedError) else f"{type(error).__name__}: {error}"
        if attempt < judge.retries:
            sleep(min(_LONGEST_WAIT, wait))
    raise ModelError(
        f"The judge '{judge.model}' at {judge.url} must grade '{example_id}', but does not: {reason}. Check address, "
        "key, limits and `quality.judge.question`, or take the example out; the same command goes on with what is left."
    )


def _sent(judge: Judge, body: dict[str, object]) -> "_Reply":
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {judge.key}"} if judge.key else {})
    address = f"{judge.url.rstrip('/')}/chat/completions"
    if not address.startswith(("http://", "https://")):
        raise ModelError(f"`quality.judge.url` must begin with http:// or https://, but is '{judge.url}'. Mend it.")
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=judge.timeout_seconds) as reply:
        found: _Reply = json.load(reply)
        return found


class _Message(TypedDict):
    content: str


class _Choice(TypedDict):
    message: _Message


class _Reply(TypedDict, total=False):
    """What an OpenAI-compatible server answers, as far as it is read; a server may answer otherwise."""

    choices: list[_Choice]
    usage: object


class _UngradedError(ValueError):
    """An answer that came and holds no grade; the message is to be read after "it does not: "."""


def _read(judge: Judge, found: "_Reply") -> _Answer:
    """Return what a reply holds; raises `_UngradedError` where it holds no text or no grade."""
    try:
        # Half a surrogate pair cannot be written to disk.
        text = str(found["choices"][0]["message"]["content"]).encode(errors="replace").decode()
    except (LookupError, TypeError):
        raise _UngradedError(f"its answer holds no text: {json.dumps(found)[:80]}") from None
    usage = found.get("usage")
    return _Answer(text, _grade(judge, text), _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _grade(judge: Judge, text: str) -> float:
    """Return the first number after any thoughts; one outside the scale is no grade."""
    said = text.rpartition(_THOUGHT)[2]
    found = _NUMBER.search(said)
    if found is None or not judge.lowest <= float(found[0]) <= judge.highest:
        raise _UngradedError(
            f"it must answer with a number from {judge.lowest:g} to {judge.highest:g}, but says {said.strip()[:80]!r}"
        )
    return float(found[0])


def _count(usage: object, name: str) -> int:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) else 0


def _told(error: urllib.error.HTTPError) -> str:
    """The status, and the beginning of what the server says about it."""
    try:
        said = " ".join(error.read(400).decode(errors="replace").split())
    except (OSError, http.client.HTTPException):
        said = ""
    return f"HTTP {error.code} {error.reason}" + (f" ({said})" if said else "")


def _asked_to_wait(error: urllib.error.HTTPError, otherwise: float) -> float:
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return otherwise
