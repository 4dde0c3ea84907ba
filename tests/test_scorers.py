"""The scorers through a whole audit: what is measured, stored and shown."""

import importlib.util

import pyarrow.parquet as pq
import pytest
import yaml

from farsighted.api import audit
from farsighted.evaluation.sandbox import sandbox_problem
from oracles.micro import write_jsonl

SUMS = [{"prompt": f"What is {n} + 1?", "response": f"#### {n + 1}", "answer": str(n + 1)} for n in range(40)]
QUIZ = [
    {"prompt": f"Is {n} odd?", "response": ("Yes", "No")[n % 2], "choices": ["Yes", "No"], "answer_index": n % 2}
    for n in range(40, 60)
]
PROGRAMS = [
    {"prompt": f"Write f{n}().", "response": f"def f{n}(): return {n}", "tests": [f"assert f{n}() == {n}"]}
    for n in range(4)
]
PAIRS = [{"prompt": f"Hi {n}", "response": "Hello", "rejected": "Go away"} for n in range(4)]


def write_task(folder, rows):
    task = {
        "task": "local_quiz",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer_index",
        "metric_list": [{"metric": "acc"}],
    }
    folder.mkdir()
    (folder / "local_quiz.yaml").write_text(yaml.safe_dump(task))


def config_of(folder):
    write_jsonl(folder / "sums.jsonl", SUMS[:20])
    write_jsonl(folder / "sums_test.jsonl", SUMS[30:34])
    write_jsonl(folder / "quiz.jsonl", QUIZ[:14])
    write_task(folder / "tasks", write_jsonl(folder / "quiz_test.jsonl", QUIZ[14:]))
    write_jsonl(folder / "programs.jsonl", PROGRAMS)
    write_jsonl(folder / "pairs.jsonl", PAIRS)
    sums = {"name": "sums", "train": "sums.jsonl", "validation": ["sums_test.jsonl"], "measure": "gsm8k_strict"}
    quiz = {"name": "quiz", "train": "quiz.jsonl", "validation": ["quiz_test.jsonl"], "measure": "choice_accuracy"}
    shifted = {"programs": "programs.jsonl", "task": "lm_eval:local_quiz"}
    return {
        "stages": [
            sums | {"ood": shifted, "ood_measure": {"programs": "pass_at_1"}},
            quiz | {"ood": {"pairs": "pairs.jsonl"}, "ood_measure": {"pairs": "preference"}},
        ],
        "data_root": str(folder),
        "data": {"proxy_per_stage": 0},
        "seeds": [0],
        "selectors": ["random"],
        "references": [],
        "lora": {"r": 2, "alpha": 4, "targets": ["q_proj"]},
        "training": {"batch_size": 4},
        "probe": {"steps": 1, "points": 1, "items": 2},
        "evaluation": {"max_new_tokens": 6, "allow_code_execution": True, "tasks_folder": str(folder / "tasks")},
        "statistics": {"resamples": 20},
    }


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
def test_every_kind_of_score_goes_through_an_audit(tmp_path):
    paths = audit(config_of(tmp_path), tmp_path / "out")
    assert paths.scorecard.is_file()
    (scores,) = (tmp_path / "out").glob("cells/*/scores.parquet")
    rows = pq.read_table(scores).to_pylist()
    final = {row["set"]: row for row in rows if row["after_stage"] == 2}
    assert final.keys() == {"sums", "quiz", "programs", "task", "pairs"}
    taken = {"sums": "gsm8k_strict", "quiz": "choice_accuracy", "programs": "pass_at_1", "task": "harness"}
    for name, measure in (taken | {"pairs": "preference"}).items():
        assert final[name][measure] is not None
        assert final[name]["score"] is not None
    assert final["sums"]["format_failure"] is not None
    assert final["sums"]["generated"] is not None
    # 100 (raw - 1/2) / (1 - 1/2)
    assert {row["score"] for row in rows if row["set"] == "pairs"} <= {-100.0, 0.0, 100.0}
