"""Whole selection steps of the training loop, against the bare passes that they cannot do without."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.models import Shape, padded_ids, random_llama, random_texts
from benchmarks.results import BenchSettings, Measurement, Part, spread_row
from benchmarks.timing import Times, race
from farsighted.core.values import Pool, Tokens
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.learners.passes import trunk_and_head
from farsighted.selectors import Selector, build_selector
from farsighted.sets.geometry import at_unit_length
from farsighted.signals.forward import gather_response
from farsighted.training.budget import RoundSettings, plan_stage
from farsighted.training.stage import StageInput, StageProgress, run_stage, signals_of

SHARE = 0.25
SELECTORS = ("loss", "gradient", "diversity", "facility_location", "quality", "utility_diversity", "lhas")


@dataclass(frozen=True, slots=True)
class StepsSize:
    """What is measured."""

    shape: Shape
    chosen: int
    """Examples of a step; a quarter of its candidates."""
    length: int
    rounds: int


FULL = StepsSize(Shape(256, 6, 8192), 16, 64, 4)
QUICK = StepsSize(Shape(32, 2, 256, 16), 2, 16, 2)


class _Unwatched:
    """Nobody looks on."""

    def before_round(self, progress: StageProgress) -> None:
        """Nothing."""

    def before_step(self, progress: StageProgress) -> None:
        """Nothing."""

    def after_step(self, steps: int, trained_tokens: int) -> None:
        """Nothing."""


def measure_steps(settings: BenchSettings, size: StepsSize | None = None) -> Part:
    """Measure selectors by `run_stage`, candidate batches of equal lengths, b = 0.25, LoRA (K = 1)."""
    size = size or (QUICK if settings.quick else FULL)
    rng = np.random.default_rng(settings.seed)
    model = random_llama(size.shape, rng, settings.device)
    candidates = round(size.chosen / SHARE)
    texts = random_texts([size.length] * candidates * size.rounds, size.shape.vocabulary, rng)
    stage = _stage(texts, size, rng)
    one_pass, two_passes = (_learner(copy.deepcopy(model), size, kept) for kept in (2**30, 0))
    contestants: dict[str, Callable[[], object]] = {
        name: _run(one_pass, build_selector(name), stage) for name in ("random", *SELECTORS)
    }
    contestants["gradient, two passes"] = _run(two_passes, build_selector("gradient"), stage)
    contestants |= _bare(copy.deepcopy(model), texts, size, settings.device)
    times = race(contestants, settings.repeats, settings.device)
    setting = (
        f"{size.shape.described(model)}, LoRA r = 16 on all linear layers; {candidates} candidates of {size.length} "
        f"tokens a step, {size.chosen} chosen, {size.rounds} steps. Bare passes: plain forward with logits, plain "
        "forward, backward, clipping and AdamW."
    )
    return Part("steps", setting, _rows(times), {name: taken.tolist() for name, taken in times.items()})


def _rows(times: Times) -> list[Measurement]:
    forward_scored = times["forward of all"] + times["step on the chosen"]
    whole = times["step on all"]
    rows = [
        spread_row("loss: step ÷ forward of all + step on the chosen", times["loss"] / forward_scored, at_most=1.10),
        spread_row("gradient, single pass: step ÷ step on all", times["gradient"] / whole, at_most=1.20, bound=1.0),
        spread_row("gradient, two passes: step ÷ step on all", times["gradient, two passes"] / whole, bound=1.25),
    ]
    bounds = dict.fromkeys(SELECTORS, 3.0) | {"gradient": 4.0, "gradient, two passes": 5.0}
    # These read no signal of the model at every step: embeddings and qualities are known before.
    bounds |= {"diversity": 1.0, "facility_location": 1.0, "quality": 1.0}
    rows += [spread_row(f"{n} ÷ random step", times[n] / times["random"], bound=b) for n, b in bounds.items()]
    rows += [spread_row(f"{n} ÷ full-data step", times[n] / whole, bound=b / 4) for n, b in bounds.items()]
    return [*rows, spread_row("random step ÷ bare step on the chosen", times["random"] / times["step on the chosen"])]


def _stage(texts: list[Tokens], size: StepsSize, rng: np.random.Generator) -> StageInput:
    pool = Pool("bench", tuple(texts))
    embedding_ND = rng.standard_normal((len(texts), size.shape.width)).astype(np.float32)
    known = {
        "embedding": at_unit_length(embedding_ND),
        "cluster": rng.integers(0, 20, len(texts)),
        "quality": rng.random(len(texts)),
        "difficulty": rng.random(len(texts)),
        "tokens": np.array([tokens.response_length for tokens in texts]),
    }
    return StageInput(
        index=1,
        seed=0,
        pool=pool,
        known=known,
        rounds=plan_stage(np.ones(len(texts)), SHARE, RoundSettings("batch", batch_size=size.chosen)),
        unit="examples",
        proxy=tuple(texts[: size.chosen // 2]),
        cluster_count=20,
        vocabulary_size=size.shape.vocabulary,
    )


def _learner(model: Any, size: StepsSize, kept_bytes: int) -> CausalLM:
    whole = 2 * round(size.chosen / SHARE) * size.length
    settings = LearnerSettings(OptimizerSettings(1e-4, "constant", 0.0), whole, whole, kept_bytes)
    return CausalLM(model, "bench", Lora(16, 32.0), settings, 0)


def _run(learner: CausalLM, selector: Selector, stage: StageInput) -> Callable[[], object]:
    def run() -> object:
        learner.begin_stage(stage.steps)
        progress = StageProgress(state=selector.init())
        return run_stage(learner, selector, stage, progress, signals_of(learner, stage.rounds), _Unwatched())

    return run


def _bare(model: Any, texts: list[Tokens], size: StepsSize, device: str) -> dict[str, Callable[[], object]]:
    """Plain loops over as many steps as the stage has, without this package's passes."""
    lm = Lora(16, 32.0).apply(model, np.random.default_rng(0))
    trunk, head = trunk_and_head(lm)
    trained = [parameter for parameter in lm.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    candidates = round(size.chosen / SHARE)
    batches = [texts[start : start + candidates] for start in range(0, len(texts), candidates)]

    def logits(batch: list[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
        ragged = gather_response(trunk(padded_ids(batch, device)[:, :-1]).last_hidden_state, batch)
        return head.logits(ragged.hidden_RD), ragged.target_R

    def forward() -> None:
        with torch.no_grad():
            for batch in batches:
                logits(batch)

    def step(count: int) -> None:
        for batch in batches:
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(*logits(batch[:count])))
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()

    return {
        "forward of all": forward,
        "step on the chosen": lambda: step(size.chosen),
        "step on all": lambda: step(candidates),
    }
