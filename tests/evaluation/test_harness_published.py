"""Our TruthfulQA, HumanEval and MBPP beside the task files that lm-evaluation-harness ships."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from farsighted.core.values import Example
from farsighted.evaluation import harness_run
from farsighted.evaluation.generation import generate, graded
from farsighted.evaluation.harness import HarnessTask
from farsighted.evaluation.harness_run import run_task
from farsighted.evaluation.items import SetBuilder, SetRules, harness_context
from farsighted.evaluation.sandbox import sandbox_problem
from farsighted.evaluation.sets import EvaluationSet, evaluate
from farsighted.files.gold import gold_of
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import TINY, model_folder
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from oracles.micro import write_jsonl

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"),
    pytest.mark.filterwarnings("ignore"),
]

FOLDER = model_folder(TINY)
TOKENIZER = load_tokenizer(FOLDER)
NEW_TOKENS = 6
ANSWERS = (("no", "odd"), ("I think that it is a dog", "a red dog"))
TRUTHS = [
    {
        "question": f"Which is {n}?",
        "mc1_targets": {"choices": [true[0], *false], "labels": [1, 0, 0]},
        "mc2_targets": {"choices": [*true, *false], "labels": [1, 1, 0, 0]},
    }
    for n, (true, false) in enumerate([ANSWERS, ANSWERS[::-1]] * 2)
]
HUMANEVAL = [
    {
        "prompt": f'def add{n}(a):\n    """Add {n}.\n    >>> add{n}(0)\n    {n}\n    """\n',
        "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
        "entry_point": f"add{n}",
    }
    for n in range(3)
]
MBPP = [
    {
        "text": f"Write a function to add {n}.",
        "code": f"def add{n}(a):\n    return a + {n}",
        "test_list": [f"assert add{n}({a}) == {a + n}" for a in range(3)],
    }
    for n in range(3)
]


@pytest.fixture(scope="module")
def learner():
    settings = LearnerSettings(OptimizerSettings(1e-2, "constant", warmup_share=0.0), end_ids=TOKENIZER.end_ids)
    return CausalLM(load_model(FOLDER, "float32"), "tiny", Lora(2, 4.0), settings, 0)


class PlainVerdicts:
    """Stands in for the metric that the harness fetches from a hub: runs a trusted program right here."""

    def compute(self, references, predictions, k):
        passed = [self._passes(found[0], test) for found, test in zip(predictions, references, strict=True)]
        return {f"pass@{k[0]}": float(np.mean(passed))}, passed

    def _passes(self, program, test):
        try:
            exec(f"{program}\n{test}", {})
        except Exception:  # noqa: BLE001 - whatever a program raises, it fails
            return False
        return True


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    import datasets
    import evaluate as metrics

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(metrics, "load", lambda name: PlainVerdicts())
    # It reads thousands of files that no test here asks for.
    monkeypatch.setattr(harness_run, "_library", dict)


def published(folder, name, rows, **fields):
    """The task file that the harness ships, on rows of our own."""
    import lm_eval.tasks

    files = {split: str(write_jsonl(folder / f"{name}.jsonl", rows)) for split in ("test", "validation", "train")}
    (family,) = Path(lm_eval.tasks.__file__).parent.glob(f"*/{name}.yaml")
    data = {"include": str(family), "dataset_path": "json", "dataset_name": None}
    data |= {"task": f"our_{name}", "dataset_kwargs": {"data_files": files}, "unsafe_code": False}
    (folder / f"our_{name}.yaml").write_text(yaml.safe_dump(data | fields))
    return HarnessTask.parse(f"lm_eval:our_{name}", None, folder, FOLDER)


def ours(examples, measure, shots=()) -> EvaluationSet:
    builder = SetBuilder(TOKENIZER, 1024, "error", NEW_TOKENS)
    return builder.build("set", examples, SetRules(measure, None, 1.0, "harness", tuple(shots)))


def truths():
    examples = []
    for number, row in enumerate(TRUTHS):
        true, false = row["mc2_targets"]["choices"][:2], row["mc2_targets"]["choices"][2:]
        # The order of the true answers is not the data's to be trusted with.
        gold = gold_of({"correct_answers": true[::-1], "incorrect_answers": false, "best_answer": true[0]})
        examples.append(Example(str(number), row["question"], true[0], gold=gold))
    return examples


@pytest.mark.parametrize("measure", ["mc1", "mc2"])
def test_truthfulqa_gives_the_same_score_of_every_item(learner, tmp_path, measure):
    theirs = run_task(learner, published(tmp_path, f"truthfulqa_{measure}", TRUTHS)).raw["harness"]
    mine = evaluate(learner, ours(truths(), measure)).raw[measure]
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)
    assert 0 < mine.mean() < 1


def humaneval():
    return [
        Example(str(number), row["prompt"], "    return 1", gold=gold_of(row)) for number, row in enumerate(HUMANEVAL)
    ]


def mbpp(rows=MBPP):
    return [Example(str(number), row["text"], row["code"], gold=gold_of(row)) for number, row in enumerate(rows)]


def loaded(task):
    """The task as the harness itself builds it."""
    from lm_eval.tasks import TaskManager

    known = TaskManager(include_path=str(task.tasks_folder), include_defaults=False)
    return known.load([task.task])["tasks"][task.task]


def contexts(task):
    """What the harness puts before each item's answer."""
    built = loaded(task)
    return [built.fewshot_context(doc, built.config.num_fewshot or 0) for doc in built.eval_docs]


def test_truthfulqa_is_put_with_the_worked_examples_of_its_own_prompt(tmp_path):
    theirs = contexts(published(tmp_path, "truthfulqa_mc1", TRUTHS))
    assert [harness_context(example, "truths", ()) for example in truths()] == theirs


def test_programs_are_asked_for_in_the_same_words(tmp_path):
    from lm_eval.tasks.mbpp.utils import list_fewshot_samples

    shots = mbpp(list_fewshot_samples())
    theirs = contexts(published(tmp_path, "mbpp", MBPP))
    assert [harness_context(example, "program", shots) for example in mbpp()] == theirs
    # A prompt that lists its tests already is put as one that does not.
    listed = [f"{row['text']}\nYour code should pass these tests:\n" + "\n".join(row["test_list"]) for row in MBPP]
    for example, prompt, context in zip(mbpp(), listed, theirs, strict=True):
        assert harness_context(dataclasses.replace(example, prompt=prompt), "program", shots) == context
    theirs = contexts(published(tmp_path, "humaneval", HUMANEVAL))
    assert [harness_context(example, "program", ()) for example in humaneval()] == theirs


@pytest.mark.parametrize(("name", "rows", "examples"), [("humaneval", HUMANEVAL, humaneval), ("mbpp", MBPP, mbpp)])
def test_a_model_writes_the_same_programs(learner, tmp_path, name, rows, examples):
    until = loaded(published(tmp_path, name, rows)).config.generation_kwargs["until"]
    settings = {"until": until, "max_gen_toks": NEW_TOKENS, "do_sample": False}
    theirs = run_task(learner, published(tmp_path, name, rows, generation_kwargs=settings, num_fewshot=0))
    found = ours(examples(), "pass_at_1").generation
    assert list(found.stops) == until
    assert generate(learner, found) == theirs.generated


BODIES = [
    "    return a + {n}\n",
    "    return a - 1\n",
    "    return a +",
    "    raise ValueError\n",
    "    import sys\n    return a + {n}\n\nx = 1\n",
    "    pass\n",
]


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
@pytest.mark.parametrize("answer", BODIES)
def test_completed_functions_get_the_same_verdicts(answer):
    from lm_eval.tasks.humaneval.utils import build_predictions, build_predictions_instruct, pass_at_k

    # The second answer of each item closes a code fence.
    texts = [answer.format(n=n) for n in range(len(HUMANEVAL))]
    fenced = [f"{text}```\nThat is all." for text in texts]
    built = build_predictions([[text] for text in texts], HUMANEVAL)
    built += build_predictions_instruct([[text] for text in fenced], HUMANEVAL)
    tests = [f"{row['test']}\ncheck({row['entry_point']})" for row in HUMANEVAL] * 2
    theirs = [pass_at_k([test], [program], 1)["pass@1"] for test, program in zip(tests, built, strict=True)]
    assert graded("program", humaneval() * 2, texts + fenced)["pass_at_1"].tolist() == theirs


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
@pytest.mark.parametrize("answer", BODIES)
def test_whole_programs_get_the_same_verdicts(answer):
    from lm_eval.tasks.mbpp.utils import build_predictions, pass_at_1

    texts = [f"def add{n}(a):\n{answer.format(n=n)}" for n in range(len(MBPP))]
    fenced = [f"```python\n{text}\n```" for text in texts]
    # The harness opens the fence in the prompt.
    built = [[text] for text in texts] + build_predictions([[f"python\n{text}\n```"] for text in texts], MBPP)
    tests = ["\n".join(row["test_list"]) for row in MBPP] * 2
    theirs = [pass_at_1([test], [program]) for test, program in zip(tests, built, strict=True)]
    assert graded("program", mbpp() * 2, texts + fenced)["pass_at_1"].tolist() == theirs
