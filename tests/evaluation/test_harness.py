from pathlib import Path

import pytest

from farsighted.core.errors import ConfigError
from farsighted.evaluation.harness import HarnessTask, require_harness


def parse(text):
    task = HarnessTask.parse(text, 5, None, Path("model"))
    return task.task, task.metric, task.answers


def test_a_task_is_named_with_its_metric_and_filter_or_without():
    assert parse("lm_eval:gsm8k") == ("gsm8k", None, None)
    assert parse("lm_eval:gsm8k:exact_match") == ("gsm8k", "exact_match", None)
    assert parse("lm_eval:gsm8k:exact_match,flexible-extract") == ("gsm8k", "exact_match", "flexible-extract")


@pytest.mark.parametrize("text", ["lm_eval:", "gsm8k", "lm_eval::acc"])
def test_anything_else_is_no_task(text):
    with pytest.raises(ConfigError, match="must be written lm_eval:TASK"):
        parse(text)


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'farsighted\[lm-eval\]'"):
        require_harness()


@pytest.mark.parametrize("text", ["lm_eval:humaneval", "lm_eval:mbpp:pass_at_1", "lm_eval:humaneval_instruct"])
def test_a_task_that_would_run_programs_outside_the_sandbox_is_refused_with_the_way_to_run_them_inside(text):
    with pytest.raises(ConfigError, match="pass_at_1"):
        parse(text)
