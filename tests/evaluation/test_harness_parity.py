"""The tokens, likelihoods and answers of harness style beside those of lm-evaluation-harness, by its own model class.

On tokenizers with and without a begin token, and under chat templates.
"""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
import yaml

from farsighted.core.values import Example, Gold
from farsighted.evaluation import harness_run
from farsighted.evaluation.harness import HarnessTask
from farsighted.evaluation.harness_run import run_task
from farsighted.evaluation.items import SetBuilder, SetRules, harness_context
from farsighted.evaluation.sets import evaluate
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer, with_chat
from oracles.chat_models import CHATML, save_chat
from oracles.micro import write_jsonl

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"),
    pytest.mark.filterwarnings("ignore"),
]

NEW_TOKENS = 8
OPENED = "{{ bos_token }}" + CHATML
BARE = "{% for m in messages %}{{ '[' + m['role'] + '] ' + m['content'] + eos_token }}{% endfor %}"
TOKENIZERS = {
    "no begin token": {},
    "a begin token": {"begin": True},
    "a chat template": {"template": CHATML},
    "a chat template after a begin token": {"template": CHATML, "begin": True},
    "a chat template that writes the begin token": {"template": OPENED, "begin": True},
    "a chat template that alone writes the begin token": {"template": OPENED},
    "a chat template without a header for answers": {"template": BARE, "begin": True},
}
WORDS = ("red", "a dog", "seventeen", "no")
QUIZ = [
    {"question": f"Which is {n}?", "choices": [WORDS[(n + k) % 4] for k in range(4)], "answer": (3 * n) % 4}
    for n in range(6)
]
LETTERED = "{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:"
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "answer",
    "metric_list": [{"metric": "acc"}],
}
LETTERS = CHOICE | {"doc_to_text": LETTERED, "doc_to_choice": ["A", "B", "C", "D"]}
SUMS = [{"question": f"What is {n} plus {n + 3}?", "answer": f"So\n#### {2 * n + 3}"} for n in range(6)]
NUMBER = {
    "output_type": "generate_until",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "metric_list": [{"metric": "exact_match"}],
    "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False, "max_gen_toks": NEW_TOKENS},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    # It reads thousands of files that no test here asks for.
    monkeypatch.setattr(harness_run, "_library", dict)


class Both:
    """One model, asked by us and by the harness."""

    def __init__(self, folder, template=None, begin=False):
        self.folder, self.chat = folder / "model", template is not None
        save_chat(self.folder, template, begin=begin)
        tokenizer = load_tokenizer(self.folder)
        self.tokenizer = with_chat(tokenizer, self.folder) if self.chat else tokenizer
        settings = LearnerSettings(OptimizerSettings(1e-2), end_ids=self.tokenizer.end_ids)
        self.learner = CausalLM(load_model(self.folder, "float32"), "both", Lora(2, 4.0), settings, 0)

    def task(self, folder, rows, fields, shots):
        file = str(write_jsonl(folder / "rows.jsonl", rows))
        whole = {
            "task": "mine",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": file, "train": file}},
        }
        whole |= {"test_split": "test", "num_fewshot": shots, "fewshot_split": "train"}
        whole |= {"fewshot_config": {"sampler": "first_n"}} | fields
        (folder / "mine.yaml").write_text(yaml.safe_dump(whole))
        return HarnessTask.parse("lm_eval:mine", None, folder, self.folder, self.chat)

    def ours(self, examples, measure, shots, context=1024):
        builder = SetBuilder(self.tokenizer, context, "truncate_prompt", NEW_TOKENS)
        return builder.build("set", examples, SetRules(measure, None, 1.0, "harness", tuple(examples[:shots])))


@pytest.fixture(params=TOKENIZERS)
def both(request, tmp_path):
    return Both(tmp_path, **TOKENIZERS[request.param])


@pytest.fixture
def asked(monkeypatch):
    """What the harness asks of a model: pairs of ids with their log-likelihoods, and prompts."""
    from lm_eval.models.huggingface import HFLM

    seen = {"pairs": [], "prompts": []}
    score, write = HFLM._loglikelihood_tokens, HFLM._model_generate

    def scored(self, requests, **options):
        found = score(self, requests, **options)
        seen["pairs"] += [(*request[1:], value) for request, (value, _) in zip(requests, found, strict=True)]
        return found

    def written(self, context, attention_mask, **options):
        rows = zip(context.tolist(), attention_mask.bool().tolist(), strict=True)
        seen["prompts"] += [tuple(t for t, kept in zip(ids, mask, strict=True) if kept) for ids, mask in rows]
        return write(self, context=context, attention_mask=attention_mask, **options)

    monkeypatch.setattr(HFLM, "_loglikelihood_tokens", scored)
    monkeypatch.setattr(HFLM, "_model_generate", written)
    return seen


def quiz(rows, lettered=False):
    listed = "\n".join(f"{letter}. {{{place}}}" for place, letter in enumerate("ABCD"))
    return [
        Example(
            str(number),
            f"{row['question']}\n{listed.format(*row['choices'])}" if lettered else row["question"],
            row["choices"][row["answer"]],
            choices=tuple(row["choices"]),
            answer_index=row["answer"],
        )
        for number, row in enumerate(rows)
    ]


def assert_same_pairs(both, found, theirs):
    options = [option for options in found.options for option in options]
    mine = [(option.ids[: option.prompt_length], option.ids[option.prompt_length :]) for option in options]
    assert mine == [(tuple(context), tuple(continuation)) for context, continuation, _ in theirs]
    nll = both.learner.likelihoods(options).nll_sum
    np.testing.assert_allclose(-nll, [value for *_, value in theirs], rtol=1e-4)


@pytest.mark.parametrize(("shots", "lettered"), [(0, False), (2, True)])
def test_options_are_the_same_tokens_with_the_same_likelihoods(both, asked, tmp_path, shots, lettered):
    examples = quiz(QUIZ, lettered)
    fields = LETTERS if lettered else CHOICE
    task = both.task(tmp_path, QUIZ, fields, shots)
    theirs = run_task(both.learner, task)
    measure = "letter_accuracy" if lettered else "choice_accuracy"
    found = both.ours(examples, measure, shots)
    # The harness takes other worked examples for an item that is one itself.
    kept = dataclasses.replace(found, items=found.items[shots:], options=found.options[shots:])
    assert_same_pairs(both, kept, asked["pairs"][4 * shots :])
    assert evaluate(both.learner, kept).raw[measure].tolist() == theirs.raw["harness"].tolist()[shots:]


@pytest.mark.parametrize("shots", [0, 2])
def test_prompts_are_the_same_tokens_and_get_the_same_answers(both, asked, tmp_path, shots):
    task = both.task(tmp_path, SUMS, NUMBER, shots)
    theirs = run_task(both.learner, task)
    examples = [Example(str(number), row["question"], row["answer"]) for number, row in enumerate(SUMS)]
    found = both.ours(examples, "gsm8k_strict", shots)
    assert set(found.generation.prompts[shots:]) <= set(asked["prompts"])
    assert shots or sorted(found.generation.prompts) == sorted(asked["prompts"])
    assert evaluate(both.learner, found).generated[shots:] == theirs.generated[shots:]


def test_begin_tokens_count_once(both):
    (found,) = both.ours(quiz(QUIZ[:1]), "choice_accuracy", 0).options
    begin = both.tokenizer.tokenizer.token_to_id("<|begin|>")
    wanted = bool(both.tokenizer.begin_ids) or (both.chat and "bos_token" in str(_template(both)))
    assert {option.ids.count(begin) for option in found} == {int(wanted)}
    assert {option.ids[0] == begin for option in found} == {wanted}


def _template(both):
    return json.loads((both.folder / "tokenizer_config.json").read_text()).get("chat_template", "")


@pytest.mark.parametrize("begin", [False, True])
def test_pairs_beyond_the_context_are_cut_alike(tmp_path, asked, begin):
    both = Both(tmp_path, begin=begin)
    both.learner.language_model.config.max_position_embeddings = 40
    rows = [row | {"question": f"{row['question']} {'Think well. ' * 4}So?"} for row in QUIZ]
    run_task(both.learner, both.task(tmp_path, rows, CHOICE, 0))
    found = both.ours(quiz(rows), "choice_accuracy", 0, context=40)
    options = [option for options in found.options for option in options]
    nll = both.learner.likelihoods(options).nll_sum
    assert {len(option.ids) for option in options} == {41}
    np.testing.assert_allclose(-nll, [value for *_, value in asked["pairs"]], rtol=1e-4)


def test_the_truths_prompt_of_six_is_one_turn_of_a_chat(tmp_path):
    both = Both(tmp_path, CHATML)
    gold = Gold(true_answers=("I",), false_answers=("you",))
    truth = Example("t", "Who?", "I", gold=gold)
    (options,) = both.ours([truth], "mc1", 0).options
    shown = both.tokenizer.shown(options[0].ids)
    assert shown == f"<|im_start|>user\n{harness_context(truth, 'truths', ())}<|im_end|>\n<|im_start|>assistant\nI"
