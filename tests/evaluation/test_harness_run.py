"""Our scores beside those of lm-evaluation-harness, on the same model and items."""

import dataclasses
import importlib.util
import json
import random  # noqa: TID251 - the harness seeds it
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import ConfigError, ModelError
from farsighted.core.values import Example, Gold
from farsighted.evaluation import harness_run
from farsighted.evaluation.choices import option_measures
from farsighted.evaluation.generation import STOPS, graded
from farsighted.evaluation.graders import gsm8k_flexible, gsm8k_flexible_text, gsm8k_strict
from farsighted.evaluation.harness import HarnessTask
from farsighted.evaluation.harness_run import run_task
from farsighted.evaluation.items import SetBuilder, SetRules
from farsighted.evaluation.sets import evaluate
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import TINY, model_folder
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from farsighted.testing.fake_learner import FakeLearner
from oracles.micro import write_jsonl
from oracles.odd_numbers import ODD_TEXTS

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"),
    pytest.mark.filterwarnings("ignore"),
]

FOLDER = model_folder(TINY)
TOKENIZER = load_tokenizer(FOLDER)
RNG = np.random.default_rng(7)
WORDS = ("odd", "even", "red", "a dog", "seventeen", "no")
QUIZ = [
    {"question": f"Which is {n}? ", "choices": [str(word) for word in RNG.permutation(WORDS)[:4]], "answer": n % 4}
    for n in range(24)
]
SUMS = [
    {"question": f"What is {n} plus {n + 3}?", "answer": f"{n} + {n + 3} = {2 * n + 3}\n#### {2 * n + 3}"}
    for n in range(10)
]


@pytest.fixture(scope="module")
def learner():
    settings = LearnerSettings(OptimizerSettings(5e-2, "constant", warmup_share=0.0), end_ids=TOKENIZER.end_ids)
    found = CausalLM(load_model(FOLDER, "float32"), "tiny", Lora(4, 8.0), settings, 0)
    # One step away from the base model, so that adapters take part.
    builder = SetBuilder(TOKENIZER, 400, "error", 8)
    found.begin_stage(2)
    found.step(builder.tokens("t", [Example("a", "Which?", "red")] * 2), np.random.default_rng(0))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


def task(folder, name, rows, **fields):
    write_jsonl(folder / f"{name}.jsonl", rows)
    data = {"data_files": {"test": str(folder / f"{name}.jsonl"), "train": str(folder / f"{name}.jsonl")}}
    whole = {"task": name, "dataset_path": "json", "dataset_kwargs": data, "test_split": "test"} | fields
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(whole))
    return lambda text=f"lm_eval:{name}": HarnessTask.parse(text, None, folder, FOLDER)


@pytest.fixture(autouse=True)
def own_data_cache(monkeypatch, tmp_path_factory):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))


def ours(learner, examples, measure, shots=()):
    builder = SetBuilder(TOKENIZER, 1024, "error", 24)
    found = builder.build("set", examples, SetRules(measure, None, 1.0, "harness", tuple(shots)))
    return evaluate(learner, found)


def quiz_examples():
    return [
        Example(str(n), row["question"], row["choices"][row["answer"]], choices=tuple(row["choices"]))
        for n, row in enumerate(QUIZ)
    ]


def with_answers(examples):
    return [dataclasses.replace(e, answer_index=row["answer"]) for e, row in zip(examples, QUIZ, strict=True)]


@pytest.mark.parametrize(("metric", "measure"), [("acc", "choice_accuracy"), ("acc_norm", "choice_accuracy_norm")])
def test_multiple_choice_gives_the_same_items_right(learner, folder, metric, measure):
    fields = {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question.rstrip()}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    theirs = run_task(learner, task(folder, "quiz", QUIZ, **fields)(f"lm_eval:quiz:{metric}"))
    mine = ours(learner, with_answers(quiz_examples()), measure).raw[measure]
    assert theirs.raw["harness"].tolist() == mine.tolist()
    assert 0 < mine.mean() < 1


def test_the_mmlu_format_gives_the_same_letters(learner, folder):
    lettered = (
        "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:"
    )
    fields = {
        "output_type": "multiple_choice",
        "doc_to_text": lettered,
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}],
        "fewshot_split": "train",
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": 2,
    }
    theirs = run_task(learner, task(folder, "letters", QUIZ, **fields)())
    examples = []
    for example, row in zip(with_answers(quiz_examples()), QUIZ, strict=True):
        listed = "\n".join(f"{'ABCD'[n]}. {choice}" for n, choice in enumerate(row["choices"]))
        examples.append(
            Example(example.id, f"{row['question'].strip()}\n{listed}", "A", None, None, None, "", *_gold(row))
        )
    mine = ours(learner, examples, "letter_accuracy", examples[:2]).raw["letter_accuracy"]
    # The harness takes another example where the item itself would be its own worked example.
    assert theirs.raw["harness"].tolist()[3:] == mine.tolist()[3:]


def _gold(row):
    return tuple(row["choices"]), row["answer"]


def test_truthfulqa_mc2_is_the_same_share(learner, folder):
    from lm_eval.tasks.truthfulqa.utils import process_results_mc2

    loglikelihoods = -RNG.uniform(1, 20, 5)
    theirs = process_results_mc2(
        {"mc2_targets": {"labels": [1, 1, 0, 0, 0]}}, [(value, False) for value in loglikelihoods]
    )
    builder = SetBuilder(TOKENIZER, 400, "error", 8)
    gold = Gold(true_answers=("t", "u"), false_answers=("f", "g", "h"))
    found = builder.build("set", [Example("a", "Who?", "t", gold=gold)], SetRules("mc2", None, 1.0))
    mine = option_measures("truths", found.items, found.options, -loglikelihoods)
    assert mine["mc2"] == pytest.approx([theirs["acc"]], rel=1e-12)


GSM8K = {
    "output_type": "generate_until",
    "fewshot_split": "train",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "metric_list": [
        {
            "metric": "exact_match",
            "aggregation": "mean",
            "higher_is_better": True,
            "ignore_case": True,
            "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
        }
    ],
    "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False, "max_gen_toks": 24},
    "num_fewshot": 0,
    "filter_list": [
        {
            "name": "strict-match",
            "filter": [
                {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible-extract",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                {"function": "take_first"},
            ],
        },
    ],
}


def test_our_copy_of_the_gsm8k_task_is_the_published_one():
    import lm_eval.tasks.gsm8k as package

    published = yaml.safe_load((Path(next(iter(package.__path__))) / "gsm8k.yaml").read_text())
    for key in ("doc_to_text", "doc_to_target", "filter_list", "output_type"):
        assert GSM8K[key] == published[key]
    assert GSM8K["generation_kwargs"]["until"] == list(STOPS["number"]) == published["generation_kwargs"]["until"]
    assert GSM8K["metric_list"][0]["regexes_to_ignore"] == published["metric_list"][0]["regexes_to_ignore"]


def test_gsm8k_gives_the_same_texts_and_the_same_items_right(learner, folder):
    parse = task(folder, "sums", SUMS, **GSM8K)
    strict = run_task(learner, parse("lm_eval:sums:exact_match,strict-match"))
    flexible = run_task(learner, parse("lm_eval:sums:exact_match,flexible-extract"))
    examples = [Example(str(n), row["question"], row["answer"]) for n, row in enumerate(SUMS)]
    mine = ours(learner, examples, "gsm8k_strict")
    assert mine.generated == strict.generated
    assert mine.raw["gsm8k_strict"].tolist() == strict.raw["harness"].tolist()
    assert [
        gsm8k_flexible_text(text, row["answer"]) for text, row in zip(mine.generated, SUMS, strict=True)
    ] == flexible.raw["harness"].tolist()


def their_grade(text, gold, entry):
    """The grade that a filter of the task and its metric give."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    rule = {key: value for key, value in entry["filter"][0].items() if key != "function"}
    found = next(iter(RegexFilter(**rule).apply([[text]], [{}])))
    ignored = GSM8K["metric_list"][0]["regexes_to_ignore"]
    return exact_match_hf_evaluate(found, [gold], regexes_to_ignore=ignored, ignore_case=True)["exact_match"]


@pytest.mark.parametrize("gold", ["so\n#### 18", "#### -18", "#### 18,000", "18", "#### 18.5"])
def test_odd_texts_get_the_grades_that_the_harness_gives_them(gold):
    example = Example("a", "p", gold)
    found = graded("number", [example] * len(ODD_TEXTS), ODD_TEXTS)
    for entry, measure in zip(GSM8K["filter_list"], ("gsm8k_strict", "gsm8k_flexible_text"), strict=True):
        assert found[measure].tolist() == [their_grade(text, gold, entry) for text in ODD_TEXTS]
    assert 0 < found["gsm8k_flexible_text"].sum() < len(ODD_TEXTS)
    # As numbers more answers count: that is the difference between the two.
    assert (found["gsm8k_flexible"] >= found["gsm8k_flexible_text"]).all()


def test_the_flexible_grades_differ_where_one_number_is_written_in_two_ways():
    found = graded("number", [Example("a", "p", "#### 18")] * 3, ["18.00", "018", "18"])
    assert found["gsm8k_flexible_text"].tolist() == [0, 0, 1]
    assert found["gsm8k_flexible"].tolist() == [1, 1, 1]


answers = st.text(st.sampled_from("#### $.,-0123456789ab\n"), max_size=24)
numbers = st.integers(-9999, 99999).map(lambda number: f"so\n#### {number:,}")


@settings(max_examples=300)
@given(st.one_of(answers, numbers, st.tuples(answers, numbers).map("".join)), numbers)
def test_extracted_numbers_are_compared_as_the_harness_compares_them(text, gold):
    for entry, grade in zip(GSM8K["filter_list"], (gsm8k_strict, gsm8k_flexible_text), strict=True):
        assert grade(text, gold) == their_grade(text, gold, entry)
    assert gsm8k_flexible(text, gold) >= gsm8k_flexible_text(text, gold)


def test_humaneval_ends_where_the_harness_ends_it():
    import lm_eval.tasks.humaneval as package

    text = (Path(next(iter(package.__path__))) / "humaneval.yaml").read_text()
    assert re.findall(r'^    - "(\\n\w+|\\n#)"$', text, re.MULTILINE) == [
        json.dumps(stop)[1:-1] for stop in STOPS["completion"]
    ]


def generators():
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002 - the harness seeds it
    return random.getstate(), numpy_state, torch.random.get_rng_state().tolist()


def test_a_task_leaves_generators_and_model_as_it_found_them(learner, folder):
    parse = task(folder, "again", SUMS, **GSM8K)
    lm = learner.language_model
    lm.train()
    lm.config.use_cache = False
    trainable = [parameter.requires_grad for parameter in lm.parameters()]
    before = generators()
    run_task(learner, parse())
    assert before == generators()
    assert lm.training
    assert not lm.config.use_cache
    assert trainable == [parameter.requires_grad for parameter in lm.parameters()]
    lm.eval()


def test_two_models_do_not_share_a_result(learner, folder):
    fields = {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question.rstrip()}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}],
    }
    parse = task(folder, "twice", QUIZ, **fields)
    before = learner.parameters()
    one = run_task(learner, parse()).raw["harness"]
    rng = np.random.default_rng(1)
    learner.load_parameters({name: values + rng.normal(0, 0.5, values.shape) for name, values in before.items()})
    other = run_task(learner, parse()).raw["harness"]
    learner.load_parameters(before)
    assert one.tolist() == run_task(learner, parse()).raw["harness"].tolist()
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lm_eval:", "must be written lm_eval:TASK"),
        ("lm_eval:no_such_task_here", "'no_such_task_here' of lm-evaluation-harness could not be run"),
        ("lm_eval:once:f1", "must report `f1`.*but reports exact_match after strict-match, flexible-extract"),
    ],
)
def test_a_task_that_cannot_be_run_says_why(learner, folder, text, message):
    parse = task(folder, "once", SUMS[:2], **GSM8K)
    with pytest.raises(ConfigError, match=message):
        run_task(learner, parse(text))


def test_a_learner_without_a_model_is_refused(folder):
    with pytest.raises(ModelError, match="FakeLearner has none"):
        run_task(FakeLearner(), HarnessTask("x", None, None, None, folder, FOLDER))


CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question.rstrip()}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
}


def test_a_group_gives_every_item_of_each_of_its_tasks_its_own_name(learner, folder):
    for name in ("one", "two"):
        task(folder, name, QUIZ[:3], **CHOICE, metric_list=[{"metric": "acc"}])
    (folder / "pair.yaml").write_text(yaml.safe_dump({"group": "pair", "task": ["one", "two"]}))
    found = run_task(learner, HarnessTask.parse("lm_eval:pair", None, folder, FOLDER))
    assert found.ids == tuple(f"{name}:{number}" for name in ("one", "two") for number in range(3))


def test_a_folder_is_read_anew_and_goes_before_the_library(folder, monkeypatch):
    monkeypatch.setattr(harness_run, "_library", lambda: {"arc_easy": 0, "mine": 1})
    assert harness_run._tasks(folder).task_index["mine"] == 1
    task(folder, "mine", QUIZ[:3], **CHOICE, metric_list=[{"metric": "acc"}])
    found = harness_run._tasks(folder).task_index
    assert found["arc_easy"] == 0
    assert Path(found["mine"].yaml_path).parent == folder
    assert harness_run._tasks(None).task_index == {"arc_easy": 0, "mine": 1}


def test_the_tasks_of_the_library_are_known_beside_those_of_a_folder_and_read_once(folder):
    for place in (folder, folder, None):
        assert {"arc_easy", "hellaswag", "gsm8k", "mmlu"} <= set(harness_run._tasks(place).task_index)
    assert harness_run._library.cache_info().misses == 1


def test_a_metric_of_which_less_is_more_is_refused(learner, folder):
    metrics = [{"metric": "acc", "aggregation": "mean", "higher_is_better": False}]
    parse = task(folder, "errors", QUIZ[:3], **CHOICE, metric_list=metrics)
    with pytest.raises(ConfigError, match="must be larger where the model is better, but `acc` of 'errors' is smaller"):
        run_task(learner, parse())
