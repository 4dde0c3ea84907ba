"""What a worker process and its parent say to each other: one JSON object a line."""

from typing import TypedDict

from farsighted.core.readings import Reading


class Request(TypedDict, total=False):
    """From the parent: `open`, `stop`, or the kind of a task."""

    task: str
    name: str
    """Of the task."""
    opener: str
    argument: dict[str, object]
    folder: str
    modules: list[str]
    path: list[str]
    """The parent's `sys.path`."""


class Event(TypedDict, total=False):
    """From the worker: `started`, `progress`, `numbers`, `finished`, `failed`, `refused` or `interrupted`.

    What the parent tells itself: `died` of a worker, `interrupt` of nobody.
    """

    event: str
    share: float
    readings: list[Reading]
    """A list of fields each, once it is written; a number that is not finite is written as NaN or Infinity."""
    result: object
    kind: str
    """Of the error."""
    message: str
    code: int
    """With which a process ended."""
