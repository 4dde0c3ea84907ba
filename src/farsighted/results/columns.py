"""The columns of every report: key, label, which way is better, how many digits (spec §2 and §3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a report."""

    key: str
    """Name in results.json."""
    label: str
    """Heading for people."""
    better: Literal["higher", "lower"] | None
    """None where neither end is an aim in itself; such a column has no arrow and no best."""
    digits: int
    """Digits after the point."""

    @property
    def arrow(self) -> str:
        """`↑` where higher is better, `↓` where lower is, else nothing."""
        return {"higher": "↑", "lower": "↓", None: ""}[self.better]


def _by_key(*columns: Column) -> Mapping[str, Column]:
    return {column.key: column for column in columns}


METRICS: Final = _by_key(
    Column("current", "Current", "higher", 1),
    Column("immediate_gain", "Immediate gain", "higher", 1),
    Column("final_average", "Final average", "higher", 1),
    Column("forgetting", "Forgetting", "lower", 1),
    Column("forward_transfer", "Forward transfer", "higher", 1),
    Column("future_auc", "Future AUC (neutral probe)", "higher", 3),
    Column("future_auc_own", "Future AUC (own probe)", "higher", 3),
    Column("capability_imbalance", "Imbalance", "lower", 1),
    Column("worst_task", "Worst task", "higher", 1),
    Column("ood", "OOD", "higher", 1),
    Column("long_horizon", "Long-horizon score", "higher", 3),
    Column("u_long", "U_long", "higher", 2),
    Column("tokens_to_threshold", "Tokens to threshold (ratio)", "lower", 2),
)
"""The metrics of spec §2, in the order of the reports."""

DIAGNOSTICS: Final = _by_key(
    Column("capability_entropy", "Capability entropy", "higher", 2),
    Column("mean_difficulty", "Mean difficulty", None, 2),
    Column("mean_quality", "Mean quality", "higher", 2),
    Column("update_concentration", "Update concentration", "lower", 2),
    Column("adapter_drift", "Adapter drift", None, 2),
)
"""The diagnostics of spec §3, in the order of the paper's Table 2."""

COSTS: Final = _by_key(
    Column("trained_tokens", "Trained tokens", None, 0),
    Column("scored_tokens", "Scored tokens", None, 0),
    Column("scoring_seconds", "Scoring s", None, 1),
    Column("training_seconds", "Training s", None, 1),
    Column("evaluation_seconds", "Evaluation s", None, 1),
    Column("probe_seconds", "Probe s", None, 1),
    Column("probe_tokens", "Probe tokens", None, 0),
)
"""What a cell cost."""

STABILITY: Final = ("non_finite", "loss_spikes", "grad_norm_spikes")
"""Counts of the first level of the scorecard: training stability."""

VARIANTS: Final = ("forgetting_chaudhry", "forgetting_gem_bwt", "forgetting_avalanche")
"""Forgetting as others define it, each as published; functions of that name are in metrics.matrix."""


GAP_NOTE: Final = (
    "The paper's per-selector Gap column (Table 1) does not follow from its Eq. 3: Eq. 3 on its own means gives .50, "
    ".50, 1.0, .50, 0, 0, .50 for random, loss, gradient, diversity, quality, utility-diversity, LHAS. It is no target "
    "here."
)
