"""What an answer can be measured by; each is a number per item, NaN where it does not apply.

*Reference:* definitions.md#measures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Reads = Literal["response", "choices", "letters", "truths", "pair", "number", "text", "program", "task"]
"""What of an example a measure is taken on. `response`: the likelihood of the response. `choices`, `letters`, `truths`,
`pair`: likelihoods of several continuations. `number`, `text`, `program`: what the model writes. `task`: whatever a
task of lm-evaluation-harness reads."""


Measure = Literal[
    "token_accuracy",
    "exact_match",
    "perplexity",
    "likelihood",
    "choice_accuracy",
    "choice_accuracy_norm",
    "letter_accuracy",
    "mc1",
    "mc2",
    "preference",
    "gsm8k_strict",
    "gsm8k_flexible",
    "gsm8k_flexible_text",
    "exact_answer",
    "token_f1",
    "pass_at_1",
]
"""The measures of `MEASURES` that can be the score of a set."""


@dataclass(frozen=True, slots=True)
class MeasureKind:
    """One measure."""

    reads: Reads
    label: str
    """Head of its column in tables."""
    is_score: bool = True
    """Whether it can be the score of a set; larger is better then, but for perplexity."""
    is_share: bool = True
    """Whether it lies in 0..1."""


MEASURES: Final[Mapping[str, MeasureKind]] = MappingProxyType(
    {
        "token_accuracy": MeasureKind("response", "token acc."),
        "exact_match": MeasureKind("response", "exact"),
        "perplexity": MeasureKind("response", "perplexity", is_share=False),
        "likelihood": MeasureKind("response", "likelihood"),
        "choice_accuracy": MeasureKind("choices", "choice acc."),
        "choice_accuracy_norm": MeasureKind("choices", "choice acc. norm"),
        "letter_accuracy": MeasureKind("letters", "letter acc."),
        "mc1": MeasureKind("truths", "MC1"),
        "mc2": MeasureKind("truths", "MC2"),
        "preference": MeasureKind("pair", "preference"),
        "gsm8k_strict": MeasureKind("number", "strict"),
        "gsm8k_flexible": MeasureKind("number", "flexible, as a number"),
        "gsm8k_flexible_text": MeasureKind("number", "flexible, as text"),
        "format_failure": MeasureKind("number", "format failure", is_score=False),
        "exact_answer": MeasureKind("text", "answer"),
        "token_f1": MeasureKind("text", "F1"),
        "pass_at_1": MeasureKind("program", "pass@1"),
        "harness": MeasureKind("task", "lm-eval", is_score=False),
    }
)

GENERATED: Final = frozenset({"number", "text", "program"})
"""Measures that read one of these need generation."""


def measures_of(reads: Reads) -> tuple[str, ...]:
    """Return the names of the measures that are taken together.

    >>> measures_of("truths")
    ('mc1', 'mc2')
    """
    return tuple(name for name, kind in MEASURES.items() if kind.reads == reads)
