"""A template: one kind of small exact task, declared once, asked in many wordings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Fields(NamedTuple):
    """What a wording is filled with, and the one right answer."""

    values: tuple[str, ...]
    """The texts that stand for {0}, {1}, ... in a wording."""
    answer: str


class Question(NamedTuple):
    """One item of a template: prompt, exact answer, and how hard it is."""

    prompt: str
    answer: str
    difficulty: float
    """Position of the item's size in the template's whole range of sizes, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of task of one skill; pools see `sizes` and `wordings`, the OOD set sees the shifted ones."""

    name: str
    cluster: str
    """The capability that it calls on, shared with templates of other skills (see `CLUSTERS`)."""
    counts: str
    """What a size counts (operands, letters, links, ...), in words."""
    draw: Callable[[np.random.Generator, int], Fields]
    """Draw one item of a size from a generator."""
    sizes: tuple[int, ...]
    wordings: tuple[str, ...]
    shifted_sizes: tuple[int, ...]
    shifted_wordings: tuple[str, ...]

    def difficulty(self, size: int) -> float:
        """Return (size - smallest) / (largest - smallest) over pools and OOD set together, in [0, 1]."""
        known = (*self.sizes, *self.shifted_sizes)
        return (size - min(known)) / (max(known) - min(known))

    def ask(self, rng: np.random.Generator) -> Question:
        """Draw one question as the pools see it."""
        return self._question(rng, self.sizes, self.wordings)

    def ask_shifted(self, rng: np.random.Generator) -> Question:
        """Draw one question of the OOD set: another wording, sizes from the upper end and beyond."""
        return self._question(rng, self.shifted_sizes, self.shifted_wordings)

    def ask_known(self, rng: np.random.Generator, known: int) -> Question:
        """Draw one question as the base model meets it: the sizes of the pools, the first `known` wordings."""
        return self._question(rng, self.sizes, self.wordings[:known])

    def _question(self, rng: np.random.Generator, sizes: tuple[int, ...], wordings: tuple[str, ...]) -> Question:
        size = sizes[rng.integers(len(sizes))]
        wording = wordings[rng.integers(len(wordings))]
        fields = self.draw(rng, size)
        return Question(wording.format(*fields.values), fields.answer, self.difficulty(size))


CLUSTERS: tuple[str, ...] = (
    "copy",
    "transform",
    "counting",
    "ordering",
    "comparison",
    "arithmetic",
    "logic",
    "policy",
)
"""The eight capabilities; each template belongs to one, most are shared by several skills."""
