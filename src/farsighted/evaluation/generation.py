"""What a model writes for each item, and the grades it gets for it. Shapes: I items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from farsighted.core.errors import ModelError
from farsighted.core.machine import core_count
from farsighted.core.measures import Reads, measures_of
from farsighted.core.values import Example
from farsighted.evaluation.graders import (
    cut,
    exact_answer,
    fenced_code,
    gsm8k_flexible,
    gsm8k_flexible_text,
    gsm8k_format_failure,
    gsm8k_strict,
    token_f1,
)
from farsighted.evaluation.sandbox import Program, run_programs
from farsighted.learners.base import Generates, Learner

_LONGEST_CHARACTER: Final = 4
"""Bytes of a character in UTF-8."""

STOPS: Final[dict[str, tuple[str, ...]]] = {
    "number": ("Question:", "</s>", "<|im_end|>"),
    "text": (),
    "program": (),
    "completion": ("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
    "marked": ("[DONE]",),
}
"""Where an answer ends, by what reads it; `completion` is a program that goes on from its prompt (HumanEval), `marked`
one that was asked for by `[BEGIN]` (MBPP as lm-evaluation-harness puts it)."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How the items of a set are put to a model that is to write."""

    prompts: Sequence[Sequence[int]]
    """Token ids, one prompt an item."""
    max_new_tokens: int
    stops: tuple[str, ...]
    """Texts that end an answer and are no part of it."""
    decode: Callable[[Sequence[int]], str] = field(compare=False)


def generate(learner: Learner, generation: Generation) -> tuple[str, ...]:
    """Return what the model writes for each prompt: greedy, in batches, cut at the first stop.

    Raises:
        ModelError: The learner writes no text.
    """
    if not isinstance(learner, Generates):
        raise ModelError(f"A measure reads what the model writes, but {type(learner).__name__} writes no text.")

    # A stop that is new ends here, and a token is a byte at least.
    window = _LONGEST_CHARACTER * max((len(stop) for stop in generation.stops), default=0)

    def is_done(ids: Sequence[int]) -> bool:
        tail = generation.decode(ids[-2 * window :]) if window else ""
        return any(stop in tail for stop in generation.stops)

    found = learner.generate(generation.prompts, generation.max_new_tokens, is_done)
    return tuple(cut(generation.decode(ids), generation.stops) for ids in found)


def graded(reads: Reads, examples: Sequence[Example], texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each measure that reads such texts, (I,).

    Raises:
        ConfigError: Programs cannot be run safely on this machine.
    """
    pairs = list(zip(examples, texts, strict=True))
    if reads == "program":
        # All at once: programs are run in processes of their own.
        verdicts = run_programs([program_of(example, text) for example, text in pairs], workers=core_count())
        return {"pass_at_1": np.array([float(verdict.passed) for verdict in verdicts])}
    return {name: np.array([GRADERS[name](example, text) for example, text in pairs]) for name in measures_of(reads)}


def number_of(example: Example) -> str:
    """Return the gold number: the short answer where there is one, else the response with its `####`."""
    return example.gold.answers[0] if example.gold.answers else example.response


def answers_of(example: Example) -> tuple[str, ...]:
    """Return the accepted answers: the short ones where there are any, else the response."""
    return example.gold.answers or (example.response,)


GRADERS: Final[Mapping[str, Callable[[Example, str], float]]] = {
    "gsm8k_strict": lambda example, text: gsm8k_strict(text, number_of(example)),
    "gsm8k_flexible": lambda example, text: gsm8k_flexible(text, number_of(example)),
    "gsm8k_flexible_text": lambda example, text: gsm8k_flexible_text(text, number_of(example)),
    "format_failure": lambda _, text: gsm8k_format_failure(text),
    "exact_answer": lambda example, text: exact_answer(text, answers_of(example)),
    "token_f1": lambda example, text: token_f1(text, answers_of(example)),
}
"""The functions of measures that read what a model writes, but for those that run it."""


def completes_prompt(example: Example) -> bool:
    """Return whether an answer goes on from a prompt that is the beginning of a program, as in HumanEval."""
    entry_point = example.gold.entry_point
    return bool(entry_point) and f"def {entry_point}(" in example.prompt and "def check(" in "".join(example.gold.tests)


def _goes_on(text: str) -> bool:
    """Whether an answer starts with code of the function that its prompt began: indented, or without any fence."""
    return "```" not in text or text.lstrip("\n").startswith((" ", "\t"))


def program_of(example: Example, text: str) -> Program:
    """Return the program that an answer is, with its tests.

    HumanEval: prompt + answer, then the tests' `check` on the entry point. All else (MBPP, P3): the answer, with the
    names of `typing`, then the tests. A fenced answer is the code inside its first fence; where an answer goes on from
    its prompt, the first fence ends it.

    *Reference:* Chen et al. 2021; Austin et al. 2021; Schuster et al. 2021.
    """
    gold = example.gold
    code = fenced_code(text)
    if completes_prompt(example):
        # A whole function after the prompt stands in for the one that the prompt began.
        source = example.prompt + text.partition("```")[0] if _goes_on(text) else f"{example.prompt}\n{code}"
        return Program(source, (*gold.tests, f"check({gold.entry_point})"), gold.setup, gold.entry_point)
    return Program(f"from typing import *\n{code}", gold.tests, gold.setup, gold.entry_point)
