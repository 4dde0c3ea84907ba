"""The values that travel between the parts. All are frozen; arrays inside them are treated as read-only.

Shape letters used throughout: N candidates, M picked, S stages scored (0 = base), T tasks, L tokens, D hidden,
V vocabulary, K sketch, B batch, I items of an evaluation set, Z seeds.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

State = Mapping[str, np.ndarray]
"""What a selector remembers: named arrays, so that one piece of code checkpoints every selector."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What an answer is graded against, beside the response; empty where the example names none."""

    answers: tuple[str, ...] = ()
    """Accepted answers in short form."""
    rejected: str = ""
    """A response that is worse than the example's."""
    true_answers: tuple[str, ...] = ()
    """True statements, the best one first (TruthfulQA)."""
    false_answers: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    """Python text that a program must pass."""
    setup: str = ""
    """Python text between program and tests."""
    entry_point: str = ""
    """Name of the function that is tested."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training or evaluation example as read from a file; nothing in it depends on a tokenizer.

    *Reference:* definitions.md#example.
    """

    id: str
    prompt: str
    response: str
    cluster: str | None = None
    """Capability cluster from metadata; None where clusters are to be found by k-means."""
    difficulty: float | None = None
    quality: float | None = None
    source: str = ""
    choices: tuple[str, ...] = ()
    """Full response texts to compare by likelihood; empty where the example is not multiple choice."""
    answer_index: int | None = None
    gold: Gold = Gold()
    turns: tuple[tuple[str, str], ...] = ()
    """Role and content of what came before the response; empty where that is the prompt, said by the user."""
    conversation: str = ""
    """All messages as JSON, {"messages": [..., the answer], "tools": [...]}, where roles and texts do not say it all:
    calls of tools, reasoning, parts. It is what a chat template is given; `prompt`, `turns` and `response` have the
    same in plain words. Empty where those say it all."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example as the model reads it: prompt, response, end token."""

    example: Example
    ids: tuple[int, ...]
    """Token ids of prompt + response + end token, never cut inside the response."""
    prompt_length: int
    """Number of leading ids that carry no loss."""

    @property
    def response_length(self) -> int:
        """Number of response tokens, end token included: the unit of budgets."""
        return len(self.ids) - self.prompt_length


Label = Literal["cluster", "difficulty", "quality"]
"""What an example may say of itself."""


class TokenColumns(Sequence[Tokens]):
    """Tokens that are kept column by column: one property of all rows is read without building any row."""

    @property
    @abstractmethod
    def lengths(self) -> np.ndarray:
        """(N,) int64 tokens of each row, prompt included."""

    @property
    @abstractmethod
    def prompt_lengths(self) -> np.ndarray:
        """(N,) int64 leading tokens of each row that carry no loss."""

    @abstractmethod
    def ids_of(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return the example ids of some rows, in the order asked for."""

    @abstractmethod
    def labels(self, name: Label) -> list[str | float | None]:
        """Return one label of every row, None where an example has none."""


def token_lengths(texts: Sequence[Tokens]) -> np.ndarray:
    """Return (N,) the tokens of each text, prompt included."""
    if isinstance(texts, TokenColumns):
        return texts.lengths
    return np.array([len(tokens.ids) for tokens in texts], dtype=np.int64)


def labels_of(texts: Sequence[Tokens], name: Label) -> list[str | float | None]:
    """Return what each example says of itself, None where it says nothing."""
    if isinstance(texts, TokenColumns):
        return texts.labels(name)
    return [getattr(tokens.example, name) for tokens in texts]


@dataclass(frozen=True)
class Pool:
    """The candidates of one stage, in file order."""

    name: str
    tokens: Sequence[Tokens]
    """Rows may be built as they are asked for: whoever needs one property of many rows asks the pool for that."""

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each candidate, prompt included."""
        return token_lengths(self.tokens)

    @cached_property
    def response_lengths(self) -> np.ndarray:
        """(N,) response tokens of each candidate, counted once: every round asks."""
        if isinstance(self.tokens, TokenColumns):
            lengths_N: np.ndarray = self.tokens.lengths - self.tokens.prompt_lengths
            return lengths_N
        return np.array([tokens.response_length for tokens in self.tokens], dtype=np.int64)

    def ids_of(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return the example ids of some rows, in the order asked for."""
        if isinstance(self.tokens, TokenColumns):
            return self.tokens.ids_of(rows)
        return [self.tokens[row].example.id for row in rows]

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Return the (M,) rows of examples, in the order asked for."""
        row_of = {name: row for row, name in enumerate(self.ids_of(range(len(self))))}
        return np.array([row_of[name] for name in ids], dtype=np.intp)

    @property
    def response_tokens(self) -> int:
        """Sum of response tokens over the pool."""
        return int(self.response_lengths.sum())


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a pool a selector may train on (definitions.md#budget)."""

    amount: float
    """A share in (0, 1], or a number of tokens or examples."""
    unit: Literal["tokens", "examples"] = "tokens"
    kind: Literal["share", "number"] = "share"

    def __str__(self) -> str:
        if self.kind == "share":
            text = f"{100 * self.amount:g}%"
            return text if self.unit == "tokens" else f"{text} examples"
        return f"{self.amount:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything that a selector may look at: arrays with one row a candidate, and arrays about the run."""

    ids: tuple[str, ...]
    """Example ids, length N."""
    rows: Mapping[str, np.ndarray]
    """Signal name to array of shape (N,) or (N, width)."""
    context: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Arrays that belong to no candidate: `proxy_sketch` (K,), `cluster_count` (), `vocabulary_size` (), and `picks`
    (), how many of the ranking the budget can take at most: what lies behind them is never selected."""

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.rows[name] if name in self.rows else self.context[name]

    def __contains__(self, name: str) -> bool:
        return name in self.rows or name in self.context

    def take(self, rows_M: Sequence[int] | np.ndarray) -> "Signals":
        """Return the signals of some candidates, in the order asked for."""
        index = np.asarray(rows_M, dtype=np.intp)
        picked = {name: array[index] for name, array in self.rows.items()}
        return Signals(tuple(self.ids[row] for row in index), picked, self.context)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A selector's answer: the candidates, best first.

    *Reference:* definitions.md#ranking.
    """

    order: np.ndarray
    """(N,) row numbers, best first; greedy selectors give their greedy order, so one ranking serves every budget (of up
    to `picks` candidates, where `Signals.context` has such a number)."""
    score: np.ndarray
    """(N,) score by row (not by rank), larger is better."""
    components: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The parts that the score is made of, (N,) each, by row."""
    weight: np.ndarray | None = None
    """(N,) importance weights by row, finite, at least 0 and not all 0: what each example's loss is multiplied by,
    relative to the mean of its optimizer step (`training.weights`). None: all weigh alike."""


@dataclass(frozen=True, slots=True)
class ItemScores:
    """What the model achieved on each item of one evaluation set; NaN where a measure does not apply."""

    ids: tuple[str, ...]
    nll: np.ndarray
    """(I,) mean negative log-likelihood of the response, nats a token."""
    raw: Mapping[str, np.ndarray]
    """Measure (see `core.measures`) to (I,)."""
    generated: tuple[str, ...] = ()
    """What the model wrote for each item; empty where nothing was generated."""
