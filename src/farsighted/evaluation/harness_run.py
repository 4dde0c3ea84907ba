"""Any task of lm-evaluation-harness on the current model, item by item; the library is an extra (`lm-eval`).

The harness seeds Python's, numpy's and torch's generators and leaves the model in evaluation mode: all of that is put
back. Its request cache, which knows requests by their text and not by the model, is never used.
"""

import contextlib
import functools
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch

from farsighted.core.errors import ConfigError, ModelError
from farsighted.core.values import ItemScores
from farsighted.evaluation.harness import MEASURE, HarnessTask, require_harness
from farsighted.models.folder import positions_of
from farsighted.models.loading import LanguageModel

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

_Sample: TypeAlias = dict[str, Any]
"""What the library logs of an item; every task logs its own."""


@runtime_checkable
class HoldsModel(Protocol):
    """A learner whose model another library can call."""

    @property
    def language_model(self) -> LanguageModel:
        """The causal language model, adapters included."""

    @property
    def virtual_tokens(self) -> int:
        """Positions that its adapter puts before every text."""

    @property
    def may_pad(self) -> bool:
        """Whether prompts of different lengths may share a batch when the model writes."""


def run_task(learner: object, task: HarnessTask) -> ItemScores:
    """Return the task's metric of every item under the current model, in the order of tasks and documents.

    Raises:
        ConfigError: The library, the task, its metric or filter is missing.
        ModelError: The learner has no model to hand over.
    """
    require_harness()
    if not isinstance(learner, HoldsModel):
        raise ModelError(
            f"Tasks of lm-evaluation-harness need a language model, but {type(learner).__name__} has none."
        )
    with _as_found(learner.language_model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = _samples(learner, task)
    # A group holds several tasks, each with documents from 0.
    first = samples[0]
    answers = task.answers or first["filter"]
    metric = task.metric or first["metrics"][0]
    chosen = [sample for sample in samples if sample["filter"] == answers]
    if not chosen or metric not in chosen[0]:
        filters = ", ".join(dict.fromkeys(sample["filter"] for sample in samples))
        raise ConfigError(
            f"'{task.task}' must report `{metric}` after the filter `{answers}`, but reports "
            f"{', '.join(first['metrics'])} after {filters}. Write lm_eval:{task.task}:METRIC,FILTER."
        )
    if first["higher_is_better"].get(metric) is False:
        raise ConfigError(
            f"The metric of a task must be larger where the model is better, but `{metric}` of '{task.task}' is "
            f"smaller. Name another: lm_eval:{task.task}:METRIC."
        )
    values = np.array([float(sample[metric]) for sample in chosen])
    written = tuple(_written(sample) for sample in chosen)
    ids = tuple(f"{sample['task']}:{sample['doc_id']}" for sample in chosen)
    nothing = np.full(len(ids), np.nan)
    return ItemScores(ids, nothing, {MEASURE: values}, written)


def _samples(learner: HoldsModel, task: HarnessTask) -> list[_Sample]:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(task.model_folder, local_files_only=True)
    positions = positions_of(task.model_folder) if learner.virtual_tokens else None
    # Without a number the library takes all of the model's positions.
    longest = None if positions is None else positions - learner.virtual_tokens
    size = task.batch_size if learner.may_pad else 1
    hosted = HFLM(pretrained=learner.language_model, tokenizer=tokenizer, batch_size=size, max_length=longest)
    try:
        found = simple_evaluate(
            model=hosted,
            tasks=[task.task],
            limit=task.limit,
            task_manager=_tasks(task.tasks_folder),
            use_cache=None,
            cache_requests=False,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=task.chat,
            fewshot_as_multiturn=task.chat,
        )
    except (KeyError, ValueError, OSError, ConnectionError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise ConfigError(
            f"The task '{task.task}' of lm-evaluation-harness could not be run: {reason}. Check its name, and that its "
            "data set is on this machine."
        ) from error
    better = found["higher_is_better"]
    listed = [
        sample | {"task": name, "higher_is_better": better.get(name, {})}
        for name, samples in sorted(found["samples"].items())
        for sample in sorted(samples, key=lambda sample: int(sample["doc_id"]))
    ]
    if not listed:
        raise ConfigError(f"The task '{task.task}' of lm-evaluation-harness has no items.")
    return listed


def _tasks(folder: Path | None) -> "TaskManager":
    """Return the tasks of a folder, which is read anew, and of the library, where the folder has none of their name."""
    from lm_eval.tasks import TaskManager

    # Tasks are loaded by name, from this index alone.
    found = TaskManager(include_path=None if folder is None else str(folder), include_defaults=False)
    for name, entry in _library().items():
        found.task_index.setdefault(name, entry)
    return found


@functools.cache
def _library() -> Mapping[str, object]:
    """Return the tasks that come with the library: thousands of files, read once a process."""
    from lm_eval.tasks import TaskManager

    index: Mapping[str, object] = TaskManager().task_index
    return index


def _written(sample: _Sample) -> str:
    """What the model wrote, where the task made it write."""
    answers = sample["resps"][0]
    return answers[0] if isinstance(answers, list) and isinstance(answers[0], str) else ""


@contextlib.contextmanager
def _as_found(lm: LanguageModel) -> Iterator[None]:
    """Put back every generator, the model's mode and its caching."""
    # Only a generator that somebody has imported can be disturbed.
    python = sys.modules.get("random")
    python_state = python.getstate() if python else None
    numpy_state = np.random.get_state()  # noqa: NPY002 - the global one is what the harness seeds
    torch_state = torch.random.get_rng_state()
    was_training, used_cache = lm.training, lm.config.use_cache
    gradients = [parameter.requires_grad for parameter in lm.parameters()]
    try:
        yield
    finally:
        if python:
            python.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.random.set_rng_state(torch_state)
        lm.train(was_training)
        lm.config.use_cache = used_cache
        for parameter, wanted in zip(lm.parameters(), gradients, strict=True):
            parameter.requires_grad_(wanted)
