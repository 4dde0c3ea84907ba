"""The worker's own functions called in this process: an audit without the seconds that a fresh process needs."""

from farsighted.core.errors import InterruptedRunError
from farsighted.launch import worker
from farsighted.launch.local import _FATAL, TaskResult


class InlinePool:
    """Stands in for `LocalPool`."""

    def __init__(self, config, root, logs, workers, modules=()):
        self._opening = {"config": config, "root": str(root), "path": [], "modules": list(modules)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def should_stop(self):
        return False

    def send(self, event, **fields):
        """What a worker would tell its parent."""

    def run(self, tasks, observer):
        desk = worker._open(self._opening, self)
        results = []
        for task in tasks:
            observer.started(task)
            results.append(self._outcome(desk, task))
            observer.ended(results[-1])
        return results

    def _outcome(self, desk, task):
        try:
            return TaskResult(task, worker._run(desk, {"task": task.kind, "name": task.name}))
        except InterruptedRunError:
            raise
        except Exception as error:
            if type(error).__name__ in _FATAL:
                raise
            return TaskResult(task, failure=worker._message(error))
