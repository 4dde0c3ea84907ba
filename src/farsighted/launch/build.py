"""The executors by name."""

from collections.abc import Mapping
from typing import Final, cast

from farsighted.core.doors import Door
from farsighted.core.errors import ConfigError
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.local import LocalExecutor
from farsighted.launch.work import Launch, MakeExecutor

EXECUTORS: Final = Door("farsighted.executors", "Executor", ConfigError)

BUILT_IN: Final[Mapping[str, MakeExecutor]] = {"inline": InlineExecutor.of, "local": LocalExecutor}
"""`inline` works in this process, `local` in worker processes on this machine."""


def executor_maker(launch: Launch) -> MakeExecutor:
    """Return what makes the executor that is asked for; raises `ConfigError` for a name that there is not."""
    if not isinstance(launch.executor, str):
        return launch.executor
    # That it can be called is checked; what it makes shows when it is opened.
    return cast(MakeExecutor, EXECUTORS.find(launch.executor, BUILT_IN))
