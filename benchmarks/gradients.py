"""Per-example gradient norms and sketches of a batch, against a plain pass over it and a loop of single examples."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.models import LARGE, Shape, padded_ids, random_llama, random_texts, takes_large, with_lora
from benchmarks.results import BenchSettings, Measurement, Part, exact_row, spread_row
from benchmarks.timing import Times, race
from farsighted.learners.passes import trunk_and_head
from farsighted.signals.forward import gather_response
from farsighted.signals.gradients import PerExampleGradients, build_gradient_maps
from farsighted.signals.logits import token_nll
from farsighted.signals.scoring import scoring_pass


@dataclass(frozen=True, slots=True)
class GradientsSize:
    """A model, a batch, and the targets that hold there."""

    shape: Shape
    count: int
    length: int
    plain_at_most: float | None = None
    loop_at_most: float | None = None
    rank: int = 16


FULL = (
    GradientsSize(Shape(384, 6, 8192, 32), 16, 128, plain_at_most=1.12),
    GradientsSize(Shape(128, 4, 4096, 32), 32, 64, plain_at_most=1.20, loop_at_most=1 / 4),
)
ACCELERATOR = (GradientsSize(LARGE, 16, 128, loop_at_most=1 / 5),)
QUICK = (GradientsSize(Shape(32, 2, 256, 16), 4, 16, rank=4),)


def measure_gradients(settings: BenchSettings, sizes: tuple[GradientsSize, ...] | None = None) -> Part:
    """Measure each size; examples have equal lengths, so that no contestant has pads."""
    rows, seconds, words = list[Measurement](), dict[str, list[float]](), []
    for size in sizes or _sizes(settings):
        label = f"d = {size.shape.width}, L = {size.length}, n = {size.count}"
        found, times, described = _measure(settings, size)
        rows += [replace(row, what=f"{label}: {row.what}") for row in found]
        seconds |= {f"{label}: {name}": taken.tolist() for name, taken in times.items()}
        words.append(described)
    setting = f"LoRA on all linear layers: {'; '.join(words)}. Half of each text is its response."
    return Part("gradients", setting, rows, seconds)


def _sizes(settings: BenchSettings) -> tuple[GradientsSize, ...]:
    if settings.quick:
        return QUICK
    return ACCELERATOR if takes_large(settings.device) else FULL


def _measure(settings: BenchSettings, size: GradientsSize) -> tuple[list[Measurement], Times, str]:
    rng = np.random.default_rng(settings.seed)
    lm = with_lora(random_llama(size.shape, rng, settings.device), rng, size.rank)
    trunk, head = trunk_and_head(lm)
    texts = random_texts([size.length] * size.count, size.shape.vocabulary, rng)
    ids_BL = padded_ids(texts, settings.device)
    maps = build_gradient_maps(trunk, rng)
    capture = PerExampleGradients(trunk, maps)
    trained = list(capture.parameters.values())

    def passed(rows: slice) -> tuple[torch.Tensor, ...]:
        ragged = gather_response(trunk(ids_BL[rows]).last_hidden_state, texts[rows])
        total = ragged.mean(token_nll(ragged.hidden_RD, head, ragged.target_R)).sum()
        return torch.autograd.grad(total, trained)

    def norm_alone(row: int) -> float:
        squares = [gradient.square().sum() for gradient in passed(slice(row, row + 1))]
        return float(torch.stack(squares).sum().sqrt())

    contestants: dict[str, Callable[[], object]] = {
        "ours": lambda: scoring_pass(capture, trunk, ids_BL, texts, head),
        "plain": lambda: passed(slice(None)),
        "loop": lambda: [passed(slice(row, row + 1)) for row in range(size.count)],
        "loop with norms": lambda: [norm_alone(row) for row in range(size.count)],
    }
    times = race(contestants, settings.repeats, settings.device)
    norm_B = scoring_pass(capture, trunk, ids_BL, texts, head).gradients.norm_B
    if norm_B is None:
        raise RuntimeError("norms were asked for")
    gap = max(abs(float(norm_B[row]) / norm_alone(row) - 1) for row in range(size.count))
    rows = [
        spread_row("÷ plain forward + backward", times["ours"] / times["plain"], at_most=size.plain_at_most, bound=1.0),
        spread_row("÷ loop of single backward passes", times["ours"] / times["loop"], at_most=size.loop_at_most),
        spread_row("÷ the same loop with norms", times["ours"] / times["loop with norms"]),
        spread_row("plain ÷ loop of single backward passes", times["plain"] / times["loop"]),
        exact_row(
            "largest relative gap of a norm to autograd", gap, at_most=1e-5 if lm.dtype == torch.float32 else None
        ),
    ]
    return rows, times, f"{size.shape.described(lm)}, r = {size.rank}"
