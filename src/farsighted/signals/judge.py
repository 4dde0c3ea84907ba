"""Grades from a language model behind an OpenAI-compatible address, each kept on disk as soon as it is there."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

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


class _Pace:
    """Lets requests start no closer together than the limit allows."""

    def __init__(self, per_minute: int, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
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
    sleep: Callable[[float], None] = time.sleep,
) -> Grades:
    """Return a judge's grades; those that `folder` holds already are not asked for again.

    Args:
        examples: What is graded.
        judge: Who grades.
        folder: One file a grade, named by the content of its request; written as soon as the answer is there.
        clock: Seconds, for the pace of requests.
        sleep: Waits.

    Raises:
        ModelError: An address that does not answer after all retries, or an answer that holds no grade; what was graded
            until then is kept.
    """
    pace = _Pace(judge.requests_per_minute, clock, sleep)

    def grade(example: Example) -> dict[str, Any]:
        body = _request(judge, example)
        file = folder / f"{fingerprint.of_json([judge.url, body])}.json"
        if file.is_file():
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return found
        answer = _asked(judge, body, example.id, pace, sleep)
        atomic.write_json(file, answer)
        return answer

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        pending = [pool.submit(grade, example) for example in examples]
        try:
            answers = [each.result() for each in pending]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    grades = np.array([_grade(judge, answer, example.id) for answer, example in zip(answers, examples, strict=True)])
    share = np.clip((grades - judge.lowest) / (judge.highest - judge.lowest), 0, 1)
    read, written = (sum(int(answer["usage"][key]) for answer in answers) for key in ("read", "written"))
    return Grades(share, read, written)


def _request(judge: Judge, example: Example) -> dict[str, Any]:
    # Not str.format: braces are common in code.
    filled = judge.question.replace("{response}", "\0").replace("{prompt}", example.prompt)
    content = filled.replace("\0", example.response)
    return {"model": judge.model, "messages": [{"role": "user", "content": content}], "temperature": 0}


def _asked(
    judge: Judge, body: dict[str, Any], example_id: str, pace: _Pace, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """Return the text and the tokens of one answer, asked for again where that may help."""
    for attempt in range(judge.retries + 1):
        pace.wait()
        try:
            found = _sent(judge, body)
            text = found["choices"][0]["message"]["content"]
            usage = found.get("usage") or {}
            tokens = {"read": usage.get("prompt_tokens", 0), "written": usage.get("completion_tokens", 0)}
            return {"text": str(text), "usage": tokens}
        except urllib.error.HTTPError as error:
            reason, wait = f"HTTP {error.code} {error.reason}", _asked_to_wait(error)
            if error.code not in _AGAIN:
                break
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            reason, wait = f"{type(error).__name__}: {error}", None
        if attempt < judge.retries:
            sleep(min(_LONGEST_WAIT, wait if wait is not None else 2.0**attempt))
    raise ModelError(
        f"The judge '{judge.model}' at {judge.url} must grade '{example_id}', but does not: {reason}. Check address, "
        "key and limits; the same command goes on with what is left."
    )


def _sent(judge: Judge, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {judge.key}"} if judge.key else {})
    address = f"{judge.url.rstrip('/')}/chat/completions"
    if not address.startswith(("http://", "https://")):
        raise ModelError(f"`quality.judge.url` must begin with http:// or https://, but is '{judge.url}'. Mend it.")
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=judge.timeout_seconds) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def _asked_to_wait(error: urllib.error.HTTPError) -> float | None:
    try:
        return float(error.headers.get("Retry-After", ""))
    except ValueError:
        return None


def _grade(judge: Judge, answer: dict[str, Any], example_id: str) -> float:
    found = _NUMBER.search(answer["text"])
    if found is None:
        raise ModelError(
            f"The judge '{judge.model}' must answer with a number, but said of '{example_id}': "
            f"{answer['text'][:80]!r}. Change `quality.judge.question`."
        )
    return float(found[0])
