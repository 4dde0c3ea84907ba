"""The controlled suite: five stages with pools, validation, OOD and proxy sets, all drawn from one seed.

*Reference:* definitions.md#tiny-lm-and-the-controlled-skills.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from farsighted.core.errors import DataError
from farsighted.core.rng import SUITE, stream
from farsighted.core.values import Example
from farsighted.worlds.skills import (
    templates_code,
    templates_general,
    templates_math,
    templates_reasoning,
    templates_safety,
)
from farsighted.worlds.skills.noise import NOISY_SHARE, Response, noisy_response
from farsighted.worlds.skills.regions import Region, normalised, region
from farsighted.worlds.skills.template import Question, Template
from farsighted.worlds.skills.words import one_of

SKILLS: Mapping[str, tuple[Template, ...]] = {
    "general": templates_general.TEMPLATES,
    "math": templates_math.TEMPLATES,
    "code": templates_code.TEMPLATES,
    "reasoning": templates_reasoning.TEMPLATES,
    "safety": templates_safety.TEMPLATES,
}
"""The five skills in the order of the paper's skill sequence, each with its templates.

*Reference:* definitions.md#stage-sequences.
"""

REPEATS = ("please {0}", "{0} thanks", "q: {0}", "{0} now")
BASE_GENERAL_SHARE = 0.5
"""Share of general questions in the base model's training stream; the rest is spread evenly over the others."""
BASE_WORDINGS = {"general": 3, "math": 1, "code": 1, "reasoning": 1, "safety": 1}
"""How many of a template's wordings the base model meets: it knows what to do, not yet every way of asking."""
TRIES = 3000
"""Draws after which a template counts as exhausted."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """What pools are made of; validation, OOD and proxy sets are clean and of their own skill under any mixture."""

    own: float = 0.7
    """Share of a pool's questions about the stage's own skill, in [0, 1]; the rest is spread evenly over the others."""
    repeats: float = 0.1
    """Share of draws that repeat an earlier question of the pool with a word or two around it, in [0, 1).

    A repeat that is there already is drawn anew, as either, so that a little less of the pool repeats: .47 at 0.5."""
    noise: float = NOISY_SHARE
    """Share of responses put at risk of damage, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class SuiteStage:
    """All examples of one stage; only `train` holds noise, near-repeats and other skills."""

    name: str
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    ood: Mapping[str, tuple[Example, ...]]
    """One set, `<skill>_shifted`: wordings that no pool holds, and larger sizes."""
    proxy: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """The five stages in canonical order: general, math, code, reasoning, safety."""

    stages: tuple[SuiteStage, ...]


def build_suite(train: int, validation: int, ood: int, proxy: int, seed: int, mixture: Mixture = Mixture()) -> Suite:
    """Return a suite with the given number of examples per stage; the same arguments give the same suite.

    Validation, OOD and proxy sets depend on the seed and their own size alone, never on `train` or `mixture`. Room is
    enough for pools of 4,000 with the mixture of the defaults, validation and OOD sets of 200 and proxy sets of 50.

    Raises:
        DataError: a size is negative, or so large that a template runs out of distinct prompts.
    """
    for noun, size in (("train", train), ("validation", validation), ("ood", ood), ("proxy", proxy)):
        if size < 0:
            raise DataError(f"`{noun}` must be a number of examples, 0 or more, but is {size}.")
    taken: set[str] = set()
    stages = tuple(
        SuiteStage(
            name=skill,
            train=_pool(skill, train, mixture, stream(seed, "data", SUITE, index, 0), taken),
            validation=_clean_set(skill, "validation", validation, stream(seed, "data", SUITE, index, 1)),
            ood={f"{skill}_shifted": _shifted_set(skill, ood, stream(seed, "data", SUITE, index, 2))},
            proxy=_clean_set(skill, "proxy", proxy, stream(seed, "data", SUITE, index, 3)),
        )
        for index, skill in enumerate(SKILLS)
    )
    _assert_disjoint(stages)
    return Suite(stages)


def base_mixture(rng: np.random.Generator, n: int) -> tuple[Example, ...]:
    """Return `n` clean examples of the stream that the base model is trained on: it knows the general skill well.

    A share of `BASE_GENERAL_SHARE` is general; each skill is asked in its first `BASE_WORDINGS` only. Prompts may
    repeat; all lie in the train region, so none is in a validation or proxy set of any seed, and shifted wordings
    never occur.
    """
    others = tuple(skill for skill in SKILLS if skill != "general")
    ask_known = {skill: partial(Template.ask_known, known=known) for skill, known in BASE_WORDINGS.items()}
    examples = []
    for row in range(n):
        skill = "general" if rng.random() < BASE_GENERAL_SHARE else one_of(rng, others)
        template = SKILLS[skill][rng.integers(len(SKILLS[skill]))]
        question = _draw(template, ask_known[skill], rng, lambda prompt: region(prompt) == "train")
        examples.append(_clean(f"base.{row:06d}", _Asked(skill, template, question)))
    return tuple(examples)


_Ask = Callable[[Template, np.random.Generator], Question]
"""One of a template's ways of asking, unbound."""


class _Asked(NamedTuple):
    """A question and where it comes from."""

    skill: str
    template: Template
    question: Question


def _pool(skill: str, size: int, mixture: Mixture, rng: np.random.Generator, taken: set[str]) -> tuple[Example, ...]:
    """Draw a pool; its prompts differ from each other and from those `taken` by pools before, and are added there."""
    others = tuple(other for other in SKILLS if other != skill)
    asked: list[_Asked] = []
    while len(asked) < size:
        if asked and rng.random() < mixture.repeats:
            new = _repeated(rng, asked[rng.integers(len(asked))])
            if normalised(new.question.prompt) in taken:
                continue
        else:
            new = _fresh(rng, skill if rng.random() < mixture.own else one_of(rng, others), taken)
        taken.add(normalised(new.question.prompt))
        asked.append(new)
    return tuple(_noisy(f"{skill}.train.{row:05d}", item, mixture.noise, rng) for row, item in enumerate(asked))


def _fresh(rng: np.random.Generator, skill: str, taken: set[str]) -> _Asked:
    template = SKILLS[skill][rng.integers(len(SKILLS[skill]))]

    def is_free(prompt: str) -> bool:
        return region(prompt) == "train" and normalised(prompt) not in taken

    return _Asked(skill, template, _draw(template, Template.ask, rng, is_free))


def _repeated(rng: np.random.Generator, first: _Asked) -> _Asked:
    return first._replace(question=first.question._replace(prompt=one_of(rng, REPEATS).format(first.question.prompt)))


def _clean_set(skill: str, role: Region, size: int, rng: np.random.Generator) -> tuple[Example, ...]:
    """Draw a set of clean questions from a held-out region, the templates taking turns."""
    return _held_out(f"{skill}.{role}", size, Template.ask, rng, lambda prompt: region(prompt) == role)


def _shifted_set(skill: str, size: int, rng: np.random.Generator) -> tuple[Example, ...]:
    """Draw the OOD set, the templates taking turns; its wordings keep it apart from every other set."""
    return _held_out(f"{skill}.ood", size, Template.ask_shifted, rng, lambda prompt: True)


def _held_out(
    name: str, size: int, ask: _Ask, rng: np.random.Generator, fits: Callable[[str], bool]
) -> tuple[Example, ...]:
    skill = name.split(".")[0]
    taken: set[str] = set()
    examples = []

    def is_free(prompt: str) -> bool:
        return fits(prompt) and normalised(prompt) not in taken

    for row in range(size):
        template = SKILLS[skill][row % len(SKILLS[skill])]
        question = _draw(template, ask, rng, is_free)
        taken.add(normalised(question.prompt))
        examples.append(_clean(f"{name}.{row:05d}", _Asked(skill, template, question)))
    return tuple(examples)


def _draw(template: Template, ask: _Ask, rng: np.random.Generator, is_free: Callable[[str], bool]) -> Question:
    """Ask until a prompt is free, or give up with the reason."""
    for _ in range(TRIES):
        question = ask(template, rng)
        if is_free(question.prompt):
            return question
    raise DataError(
        f"Template '{template.name}' must give one more distinct prompt, but {TRIES} draws found none that is free. "
        "Ask for fewer examples per stage."
    )


def _clean(id_: str, asked: _Asked) -> Example:
    return _example(id_, asked, Response(asked.question.answer, 1.0))


def _noisy(id_: str, asked: _Asked, share: float, rng: np.random.Generator) -> Example:
    return _example(id_, asked, noisy_response(rng, asked.question.answer, share))


def _example(id_: str, asked: _Asked, response: Response) -> Example:
    return Example(
        id=id_,
        prompt=asked.question.prompt,
        response=response.text,
        cluster=asked.template.cluster,
        difficulty=asked.question.difficulty,
        quality=response.quality,
        source=f"{asked.skill}/{asked.template.name}",
    )


def _assert_disjoint(stages: tuple[SuiteStage, ...]) -> None:
    """Make sure that no normalised prompt occurs twice, in one set or in two."""
    seen: dict[str, str] = {}
    for stage in stages:
        for example in (*stage.train, *stage.validation, *stage.proxy, *(e for s in stage.ood.values() for e in s)):
            first = seen.setdefault(normalised(example.prompt), example.id)
            assert first == example.id, f"{first} and {example.id} ask the same: {example.prompt!r}"
