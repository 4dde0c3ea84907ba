"""Which task of lm-evaluation-harness is asked for; `harness_run` runs it. Nothing here imports torch."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from farsighted.core.errors import ConfigError

PREFIX = "lm_eval:"
"""Prefix of a task's name where a set is asked for."""
_RUN_PROGRAMS = ("humaneval", "mbpp")
"""How tasks are named whose own scoring runs programs."""
MEASURE = "harness"
"""The measure that a task's own metric is kept under."""


@dataclass(frozen=True, slots=True)
class HarnessTask:
    """One task, and what of it is the score."""

    task: str
    metric: str | None
    """None: the first that the task reports."""
    answers: str | None
    """Name of the filter that answers go through; None: the first."""
    limit: int | None
    """Most items; None: all."""
    tasks_folder: Path | None
    """Folder with task files of one's own."""
    model_folder: Path
    """Where the tokenizer is."""
    chat: bool = False
    """Whether items are put by the tokenizer's chat template, worked examples as turns of their own."""
    batch_size: int = 8

    @classmethod
    def parse(
        cls, text: str, limit: int | None, tasks_folder: Path | None, model_folder: Path, chat: bool = False
    ) -> "HarnessTask":
        """Return the task that `lm_eval:TASK[:METRIC[,FILTER]]` names; raises `ConfigError` for anything else."""
        task, _, rest = text.removeprefix(PREFIX).partition(":")
        metric, _, answers = rest.partition(",")
        if task.startswith(_RUN_PROGRAMS):
            raise ConfigError(
                f"'{text}' would run programs that the model writes outside of any sandbox. Give the data as files, "
                "with `ood_measure: {NAME: pass_at_1}`, `style: harness` and --allow-code-execution."
            )
        if not task or not text.startswith(PREFIX):
            raise ConfigError(f"A task must be written lm_eval:TASK[:METRIC[,FILTER]], but is '{text}'. Mend it.")
        return cls(task, metric or None, answers or None, limit, tasks_folder, model_folder, chat)


def require_harness() -> None:
    """Raise `ConfigError` where the library is missing."""
    if importlib.util.find_spec("lm_eval") is None:
        raise ConfigError("Tasks of lm-evaluation-harness need the library: pip install 'farsighted[lm-eval]'.")
