"""Executors for tests: nothing but this process, and tasks that a test thinks up."""

from farsighted.core.errors import InterruptedRunError
from farsighted.launch.inline import InlineExecutor


def doing(do):
    """An executor whose tasks are done by a function of the task."""
    return lambda opening: InlineExecutor(lambda line: do, opening.logs)


def none_may_start(opening):
    """Stands for an executor where none is wanted."""
    raise AssertionError(f"an executor was opened: {opening}")


class Idle:
    """Finds nothing to do."""

    def __init__(self, opening):
        self.opening = opening

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, tasks, observer):
        return []


class Interrupted(Idle):
    """Is told to stop before it begins."""

    def run(self, tasks, observer):
        raise InterruptedRunError("Stopped; every running cell has written a checkpoint. The same command goes on.")
