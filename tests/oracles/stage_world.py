"""A small pool, and a stage on it with the fake learner: what the loop is tried on."""

import copy
import dataclasses
from dataclasses import dataclass, field

import numpy as np

from farsighted.core.values import Example, Pool, Tokens
from farsighted.data.cut import budget_sizes
from farsighted.testing.fake_learner import FakeLearner
from farsighted.training.budget import RoundSettings, plan_stage
from farsighted.training.stage import (
    StageInput,
    StageProgress,
    arrival_order,
    run_stage,
    signals_of,
)


def make_texts(name, lengths, seed=0):
    """Examples `name`0, `name`1, ... with random token ids, two prompt tokens and the response lengths given."""
    ids = np.random.default_rng(seed)
    return tuple(
        Tokens(Example(f"{name}{row}", "p", "r"), tuple(map(int, ids.integers(0, 50, size=2 + length))), 2)
        for row, length in enumerate(lengths)
    )


def make_stage(lengths, settings=RoundSettings(batch_size=4), share=0.25, unit="tokens", **changes):  # noqa: B008 — frozen
    """A stage on a pool with these response lengths; `changes` replace fields of the `StageInput`."""
    pool = Pool("math", make_texts("e", lengths))
    index, seed = changes.get("index", 1), changes.get("seed", 0)
    arriving = budget_sizes(pool, unit)[arrival_order(seed, index, len(pool))]
    known = {
        "cluster": np.arange(len(pool)) % 3,
        "embedding": FakeLearner().signals(pool.tokens, frozenset({"embedding"}))["embedding"],
        "quality": np.linspace(0, 1, len(pool)),
        "tokens": np.array([tokens.response_length for tokens in pool.tokens]),
        "size": budget_sizes(pool, unit),
        "origin": np.zeros(len(pool), dtype=np.int32),
    }
    stage = StageInput(
        index=index,
        seed=seed,
        pool=pool,
        known=known,
        rounds=plan_stage(arriving, share, settings),
        unit=unit,
        proxy=make_texts("p", [3, 4, 5], seed=9),
        cluster_count=3,
        vocabulary_size=50,
    )
    return dataclasses.replace(stage, **changes)


class Stopped(Exception):  # noqa: N818 — it is no error: the user asked
    """What a watcher raises to end a stage between two rounds."""


@dataclass
class Diary:
    """A watcher that writes everything down, and may stop the stage before a round."""

    stop_before: int | None = None
    stop_before_step: int | None = None
    rounds: list = field(default_factory=list)
    steps: list = field(default_factory=list)

    def before_round(self, progress):
        self.rounds.append(copy.deepcopy(progress))
        if progress.round == self.stop_before:
            raise Stopped

    def before_step(self, progress):
        if progress.steps == self.stop_before_step:
            self.rounds.append(copy.deepcopy(progress))
            raise Stopped

    def after_step(self, steps, trained_tokens):
        self.steps.append((steps, trained_tokens))


def run(stage, selector, learner=None, progress=None, watcher=None):
    """Run a stage from its start, or from `progress`; returns what `run_stage` does."""
    learner = learner or FakeLearner()
    if progress is None:
        progress = StageProgress(state=selector.init())
        learner.begin_stage(stage.steps)
    return run_stage(learner, selector, stage, progress, signals_of(learner, stage.rounds), watcher or Diary())
