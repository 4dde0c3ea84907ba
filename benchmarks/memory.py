"""Peak memory of a pass: bytes of tensors alive at once, beyond those alive before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.models import LARGE, Shape, padded_ids, random_llama, random_texts, takes_large
from benchmarks.results import BenchSettings, Part, exact_row
from farsighted.learners.passes import trunk_and_head
from farsighted.signals.forward import gather_response
from farsighted.signals.instrumented import FORWARD_SIGNALS, build_head_maps, forward_signals


@dataclass(frozen=True, slots=True)
class MemorySize:
    """What is measured."""

    shape: Shape
    count: int
    length: int
    response: int
    """Tokens of each response."""


FULL = MemorySize(Shape(256, 2, 131_072), 32, 512, 256)
ACCELERATOR = MemorySize(LARGE, 32, 512, 256)
"""Chunks of logits are larger on an accelerator, where a narrow model's pass would be small beside one."""
QUICK = MemorySize(Shape(64, 1, 2048), 8, 64, 32)


def peak_bytes(run: Callable[[], Any], device: str = "cpu") -> int:
    """Return the most bytes of tensors that a callable had alive at once, beyond those alive before it.

    On a CPU from the allocations that torch's profiler records, on a CUDA device from its allocator.
    """
    if device.startswith("cuda"):
        run()  # What libraries allocate once is nobody's peak.
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated()) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    results: Any = recorded.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    alive = np.cumsum([event.nbytes() for event in events])
    return int(max(0, alive.max(initial=0)))


def measure_memory(settings: BenchSettings, size: MemorySize | None = None) -> Part:
    """Measure all forward signals against the bare trunk forward of the same batch."""
    size = size or _size(settings)
    rng = np.random.default_rng(settings.seed)
    model = random_llama(size.shape, rng, settings.device)
    texts = random_texts([size.length] * size.count, size.shape.vocabulary, rng, size.response)
    ids_BL = padded_ids(texts, settings.device)
    trunk, head = trunk_and_head(model)
    maps = build_head_maps(head, np.random.default_rng(0), FORWARD_SIGNALS)

    @torch.no_grad()
    def bare() -> object:
        return trunk(ids_BL).last_hidden_state

    @torch.no_grad()
    def scored() -> object:
        return forward_signals(gather_response(trunk(ids_BL).last_hidden_state, texts), maps, FORWARD_SIGNALS)

    peaks = {"trunk": peak_bytes(bare, settings.device), "signals": peak_bytes(scored, settings.device)}
    logits = 4 * size.count * size.response * size.shape.vocabulary
    rows = [
        exact_row("peak of all signals ÷ peak of the trunk", peaks["signals"] / peaks["trunk"], at_most=1.5),
        exact_row("peak of the trunk", peaks["trunk"] / 1e6, unit="MB"),
        exact_row("peak of all signals", peaks["signals"] / 1e6, unit="MB"),
        exact_row("logits of the responses, which are never whole", logits / 1e6, unit="MB"),
    ]
    setting = (
        f"{size.shape.described(model)}; {size.count} texts of {size.length} tokens, the last {size.response} of each "
        "its response."
    )
    return Part("memory", setting, rows)


def _size(settings: BenchSettings) -> MemorySize:
    if settings.quick:
        return QUICK
    return ACCELERATOR if takes_large(settings.device) else FULL
