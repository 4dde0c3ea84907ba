"""The nuclear norm of the logits from hidden states, against singular values of the logits themselves."""

from dataclasses import dataclass

import torch

from benchmarks.results import BenchSettings, Part, exact_row, spread_row
from benchmarks.timing import race
from farsighted.signals.forward import Positions
from farsighted.signals.head import gram_of_head, nuclear_norm, root_of_gram
from farsighted.signals.logits import Head


@dataclass(frozen=True, slots=True)
class NuclearSize:
    """What is measured."""

    length: int
    vocabulary: int
    width: int


FULL = NuclearSize(512, 32_000, 896)
QUICK = NuclearSize(32, 500, 48)


def measure_nuclear(settings: BenchSettings, size: NuclearSize | None = None) -> Part:
    """Measure one response of L tokens, in single precision; the root of `WᵀW` is computed once per head."""
    size = size or (QUICK if settings.quick else FULL)
    generator = torch.Generator().manual_seed(settings.seed)
    hidden_LD = torch.randn(size.length, size.width, generator=generator).to(settings.device)
    weight_VD = (torch.randn(size.vocabulary, size.width, generator=generator) * 0.05).to(settings.device)
    head = Head(weight_VD)
    positions = Positions(hidden_LD, torch.tensor([size.length], device=settings.device))
    root_DD = root_of_gram(gram_of_head(head))
    exact = float(torch.linalg.svdvals(hidden_LD.double() @ weight_VD.double().T).sum())
    error = abs(float(nuclear_norm(positions, head, root_DD)[0]) - exact) / exact
    narrow_error = abs(float(torch.linalg.svdvals(hidden_LD @ weight_VD.T).sum()) - exact) / exact
    rooted_LD = hidden_LD.double() @ root_DD
    gram_LL = rooted_LD @ rooted_LD.T
    contestants = {
        "ours": lambda: nuclear_norm(positions, head, root_DD),
        "svd": lambda: torch.linalg.svdvals(hidden_LD @ weight_VD.T),
        "svd in float64": lambda: torch.linalg.svdvals(hidden_LD.double() @ weight_VD.double().T),
        "eigenvalues": lambda: torch.linalg.eigvalsh(gram_LL),
        "root": lambda: root_of_gram(gram_of_head(head)),
    }
    times = race(contestants, min(settings.repeats, 5), settings.device)
    rows = [
        spread_row("nuclear norm ÷ SVD of the logits", times["ours"] / times["svd"], at_most=1 / 50),
        spread_row("nuclear norm ÷ SVD of the logits in float64", times["ours"] / times["svd in float64"]),
        exact_row("relative error against a float64 SVD", error, at_most=1e-5),
        exact_row("relative error of the float32 SVD", narrow_error),
        spread_row("eigenvalues of the L × L matrix alone ÷ nuclear norm", times["eigenvalues"] / times["ours"]),
        spread_row("root of WᵀW, once per head ÷ SVD of the logits", times["root"] / times["svd"]),
    ]
    setting = f"One response: L = {size.length}, V = {size.vocabulary:,}, d = {size.width}; float32 states and weights."
    return Part("nuclear", setting, rows, {name: taken.tolist() for name, taken in times.items()})
