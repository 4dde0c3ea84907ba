import dataclasses

import numpy as np
import pytest

from farsighted.core.values import Example, Gold
from farsighted.evaluation.generation import answers_of, completes_prompt, graded, number_of, program_of
from farsighted.evaluation.items import SetBuilder, SetRules
from farsighted.evaluation.sandbox import sandbox_problem
from farsighted.evaluation.sets import evaluate
from farsighted.learners.adapters import Full
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer, with_chat
from oracles.chat_models import CHATML, LOOP, save_chat

HUMANEVAL = Example(
    "h",
    'from math import pi\n\ndef one():\n    """Return 1."""\n',
    "    return 1\n",
    gold=Gold(tests=("def check(candidate):\n    assert candidate() == 1",), entry_point="one"),
)
MBPP = Example("m", "Write one().", "def one(): return 1", gold=Gold(tests=("assert one() == 1",), entry_point="one"))


def test_an_answer_goes_on_from_the_prompt_where_the_prompt_begins_the_function():
    assert (completes_prompt(HUMANEVAL), completes_prompt(MBPP)) == (True, False)
    program = program_of(HUMANEVAL, "    return 1\n")
    assert program.source == HUMANEVAL.prompt + "    return 1\n"
    assert program.tests[-1] == "check(one)"


def test_a_fenced_answer_is_the_code_inside():
    assert program_of(MBPP, "Sure!\n```python\ndef one(): return 1\n```").source.endswith("\ndef one(): return 1\n")
    fenced = program_of(HUMANEVAL, "```python\ndef one():\n    return 1\n```")
    assert fenced.source.startswith(HUMANEVAL.prompt)
    compile(fenced.source, "program", "exec")
    # What goes on from the prompt ends where a fence closes.
    assert program_of(HUMANEVAL, "    return 1\n```\nDone").source == HUMANEVAL.prompt + "    return 1\n"


@pytest.mark.skipif(sandbox_problem() is not None, reason=str(sandbox_problem()))
def test_programs_are_graded_by_running_them():
    texts = ["    return 1\n", "    return 2\n", "def one(): return 1", "```\ndef one(): return 1\n```"]
    found = graded("program", [HUMANEVAL, HUMANEVAL, MBPP, MBPP], texts)
    assert found["pass_at_1"].tolist() == [1, 0, 1, 1]


def test_short_answers_go_before_the_response():
    assert number_of(Example("a", "p", "so\n#### 5")) == "so\n#### 5"
    assert number_of(Example("a", "p", "so\n#### 5", gold=Gold(answers=("6",)))) == "6"
    assert answers_of(Example("a", "p", "r")) == ("r",)


def test_texts_are_graded_against_all_answers():
    example = Example("a", "p", "Rome", gold=Gold(answers=("Paris", "the city of light")))
    found = graded("text", [example, example], ["Paris!", "a city"])
    assert found["exact_answer"].tolist() == [1, 0]
    # "a city" is "city": one of one word, and one of the answer's three ("city of light").
    assert found["token_f1"] == pytest.approx([1, 2 / 4])


SUMS = [Example(str(n), f"{n} + {n + 2} =", f"it is {2 * n + 2}") for n in range(12)]
STEPS = 30


def trained_and_read(folder, taught, asked):
    """What a model says of sums after each few steps: by teacher forcing, and by what it writes."""
    tokenizer = load_tokenizer(folder)
    settings = LearnerSettings(OptimizerSettings(3e-3, "constant", warmup_share=0.0), end_ids=asked(tokenizer).end_ids)
    learner = CausalLM(load_model(folder, "float32"), "chat", Full(), settings, 0)
    batch = SetBuilder(taught(tokenizer), 400, "error", 16).tokens("t", SUMS)
    found = SetBuilder(asked(tokenizer), 400, "error", 16).build("s", SUMS, SetRules("exact_answer", None, 1.0))
    learner.begin_stage(STEPS)
    seen = []
    for step in range(STEPS):
        learner.step(batch, np.random.default_rng(step))
        if step % 3 == 2:
            scores = evaluate(learner, found)
            gold = [tokenizer.decode(item.ids[item.prompt_length :]) for item in found.items]
            written = [text == response for text, response in zip(scores.generated, gold, strict=True)]
            seen.append((scores.raw["exact_match"].astype(bool).tolist(), written))
    return seen


TEMPLATES = {
    "a mark of its own": (CHATML, None),
    "a mark that the generation settings name too": (CHATML, ["<|im_end|>", "<|pad|>"]),
    "another end than the tokenizer's in the settings": (CHATML, ["<|pad|>"]),
    "the end token": (LOOP.replace("CLOSE", "{{ eos_token }}"), None),
    "a mark, then the end token": (LOOP.replace("CLOSE", "<|im_end|>{{ eos_token }}"), None),
    "words": (LOOP.replace("CLOSE", " over"), None),
}


@pytest.mark.parametrize("closed_by", TEMPLATES)
def test_what_a_model_writes_under_a_chat_template_agrees_with_exact_match_by_teacher_forcing(tmp_path, closed_by):
    template, ends = TEMPLATES[closed_by]
    folder = save_chat(tmp_path / "model", template, ends=ends)

    def chat(tokenizer):
        return with_chat(tokenizer, folder)

    seen = trained_and_read(folder, chat, chat)
    assert [forced for forced, _ in seen] == [written for _, written in seen]
    told = [hit for forced, _ in seen for hit in forced]
    assert 0 < sum(told) < len(told)


def test_an_answer_that_a_model_ends_in_another_way_than_the_gold_one_is_exact_too(tmp_path):
    folder = save_chat(tmp_path / "model", CHATML, ends=["<|end|>", "<|pad|>"])

    def plain(tokenizer):
        return tokenizer

    def ends_by_pad(tokenizer):
        return dataclasses.replace(tokenizer, end_id=tokenizer.end_ids[1])

    seen = trained_and_read(folder, ends_by_pad, plain)
    assert [forced for forced, _ in seen] == [written for _, written in seen]
    told = [hit for forced, _ in seen for hit in forced]
    assert 0 < sum(told) < len(told)
