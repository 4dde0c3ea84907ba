"""Every forward signal against the bare forward pass of the same batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.models import LARGE, Shape, padded_ids, random_llama, random_texts, takes_large, with_lora
from benchmarks.results import BenchSettings, Part, spread_row
from benchmarks.timing import race
from farsighted.learners.passes import trunk_and_head
from farsighted.signals.forward import gather_response
from farsighted.signals.instrumented import FORWARD_SIGNALS, build_head_maps, forward_signals
from farsighted.signals.logits import token_nll

UDS = frozenset({"nuclear_norm", "logit_sketch"})


@dataclass(frozen=True, slots=True)
class SignalsSize:
    """What is measured."""

    shape: Shape
    count: int
    longest: int


FULL = SignalsSize(Shape(384, 8, 16384), 16, 256)
ACCELERATOR = SignalsSize(LARGE, 16, 512)
QUICK = SignalsSize(Shape(64, 2, 1024), 4, 32)


def measure_signals(settings: BenchSettings, size: SignalsSize | None = None) -> Part:
    """Measure all forward signals, those of UDS, and each alone, on a padded batch of mixed lengths."""
    size = size or _size(settings)
    rng = np.random.default_rng(settings.seed)
    model = random_llama(size.shape, rng, settings.device)
    lengths = [size.longest, *rng.integers(size.longest // 2, size.longest + 1, size.count - 1).tolist()]
    texts = random_texts(lengths, size.shape.vocabulary, rng)
    ids_BL = padded_ids(texts, settings.device)
    trunk, head = trunk_and_head(model)
    maps = build_head_maps(head, np.random.default_rng(0), FORWARD_SIGNALS)
    adapted = trunk_and_head(with_lora(random_llama(size.shape, rng, settings.device), rng))[0]
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]

    def bare() -> None:
        with torch.no_grad():
            trunk(ids_BL)

    def with_head() -> None:
        with torch.no_grad():
            head.logits(gather_response(trunk(ids_BL).last_hidden_state, texts).hidden_RD)

    def scored(needs: frozenset[str]) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                ragged = gather_response(trunk(ids_BL).last_hidden_state, texts)
            return forward_signals(ragged, maps, needs)

        return run

    def forward_backward() -> None:
        ragged = gather_response(adapted(ids_BL).last_hidden_state, texts)
        torch.autograd.grad(token_nll(ragged.hidden_RD, head, ragged.target_R).mean(), trained)

    groups = {"all": FORWARD_SIGNALS, "uds": UDS} | {name: frozenset({name}) for name in sorted(FORWARD_SIGNALS)}
    contestants: dict[str, Callable[[], object]] = {
        "trunk": bare,
        "trunk + head": with_head,
        "forward + backward": forward_backward,
        **{name: scored(needs) for name, needs in groups.items()},
    }
    times = race(contestants, settings.repeats, settings.device)
    rows = [
        spread_row("all signals ÷ trunk + head", times["all"] / times["trunk + head"], at_most=1.25, bound=1.0),
        spread_row("signals of UDS ÷ trunk", times["uds"] / times["trunk"], at_most=1.05, bound=1.0),
        spread_row("all signals ÷ forward + backward", times["all"] / times["forward + backward"]),
        *(
            spread_row(f"{name} ÷ {other}", times[name] / times[other])
            for other in ("trunk", "forward + backward")
            for name in sorted(FORWARD_SIGNALS)
        ),
    ]
    setting = (
        f"{size.shape.described(model)}; {size.count} texts of {size.longest // 2} to {size.longest} tokens, half of "
        "each its response. Each time holds the trunk's forward. Forward + backward: LoRA r = 16 on all linear layers."
    )
    return Part("signals", setting, rows, {name: taken.tolist() for name, taken in times.items()})


def _size(settings: BenchSettings) -> SignalsSize:
    if settings.quick:
        return QUICK
    return ACCELERATOR if takes_large(settings.device) else FULL
