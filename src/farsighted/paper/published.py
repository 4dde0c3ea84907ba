"""What the paper reports: its Tables 1, 2 and 3 as printed, by family of selectors. No other file has its figures.

*Reference:* "The Long-Term Effects of Data Selection in LLM Fine-Tuning", arXiv 2605.30537, §5. Keys are those of
`results.metrics`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from farsighted.core.names import FAMILIES

SEEDS: Final = 3
"""Seeds behind each mean ± sd of Table 1; Tables 2 and 3 state no spread."""


@dataclass(frozen=True, slots=True)
class Published:
    """One number of the paper."""

    mean: float
    sd: float | None
    """None where the paper states none."""
    table: int
    """Number of its table."""


Columns = Mapping[str, Mapping[str, Published]]
"""Column to family to number."""


def _column(table: int, means: tuple[float, ...], sds: tuple[float, ...] | None = None) -> Mapping[str, Published]:
    """The numbers of one column, in the order of `FAMILIES`."""
    spread = sds or (None,) * len(FAMILIES)
    rows = zip(FAMILIES, means, spread, strict=True)
    return MappingProxyType({family: Published(mean, sd, table) for family, mean, sd in rows})


TABLE_1: Final[Columns] = MappingProxyType(
    {
        "current": _column(1, (58.2, 61.9, 62.4, 59.5, 61.1, 62.0, 61.4), (0.7, 0.5, 0.6, 0.6, 0.6, 0.5, 0.5)),
        "future_auc": _column(
            1, (0.61, 0.54, 0.52, 0.63, 0.57, 0.62, 0.67), (0.02, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02)
        ),
        "forgetting": _column(1, (4.8, 8.6, 9.4, 4.3, 7.5, 5.5, 3.9), (0.5, 0.7, 0.9, 0.4, 0.6, 0.5, 0.4)),
        "ood": _column(1, (54.0, 48.1, 46.5, 55.7, 50.2, 55.0, 58.2), (0.8, 1.1, 1.3, 0.7, 0.9, 0.8, 0.7)),
        "worst_task": _column(1, (49.8, 43.2, 41.7, 50.6, 44.9, 49.4, 53.1), (0.9, 1.0, 1.1, 0.8, 1.0, 0.9, 0.8)),
    }
)
"""Short-term and long-term scores: skill sequence, 25 % budget, LoRA."""

GAP: Final = _column(1, (0.12, 0.42, 0.47, 0.16, 0.36, 0.28, 0.10))
"""The Gap column of Table 1: shown, never a target (`GAP_NOTE`)."""

GAP_NOTE: Final = (
    "The paper's per-selector Gap column (Table 1) does not follow from its Eq. 3: Eq. 3 on its own means gives .50, "
    ".50, 1.0, .50, 0, 0, .50 for random, loss, gradient, diversity, quality, utility-diversity, LHAS. It is no target "
    "here."
)

TABLE_2: Final[Columns] = MappingProxyType(
    {
        "capability_entropy": _column(2, (1.92, 1.28, 1.22, 2.05, 1.45, 1.81, 2.02)),
        "mean_difficulty": _column(2, (0.42, 0.74, 0.76, 0.45, 0.35, 0.58, 0.56)),
        "mean_quality": _column(2, (0.65, 0.51, 0.53, 0.64, 0.83, 0.68, 0.70)),
        "update_concentration": _column(2, (0.31, 0.58, 0.63, 0.27, 0.49, 0.39, 0.25)),
    }
)
"""Diagnostics of selected subsets and of the trajectory of updates."""

TABLE_3: Final[Columns] = MappingProxyType(
    {
        "10%": _column(3, (0.54, 0.47, 0.45, 0.57, 0.49, 0.58, 0.62)),
        "25%": _column(3, (0.59, 0.51, 0.50, 0.62, 0.54, 0.64, 0.69)),
        "50%": _column(3, (0.63, 0.56, 0.55, 0.65, 0.58, 0.67, 0.71)),
    }
)
"""Long-horizon score by budget; the paper gives no formula for it, ours is in `metrics.horizon`."""

TOKENS_RATIO: Final = 1.35
"""Tokens of gradient over those of LHAS to the early threshold of the next stage, "approximately" (§5)."""
