"""Per-item scores as they come in, and as a table (see `store.schema.SCORES`)."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from farsighted.core.errors import DivergedError
from farsighted.core.measures import MEASURES
from farsighted.core.values import ItemScores
from farsighted.evaluation.sets import EvaluationSet, normalised
from farsighted.store.schema import SCORES

Kind = Literal["validation", "ood", "probe_neutral", "probe_own"]


@dataclass(frozen=True, slots=True)
class ScoredAt:
    """When a set was scored."""

    kind: Kind
    after_stage: int
    """Stages finished; 0 = base model."""
    probe_tokens: int = 0
    """Response tokens trained in the probe so far."""
    point: int = 0
    """Number of the probe's evaluation point; 0 = before its first step."""


@dataclass
class ScoreRows:
    """Collects evaluations."""

    tables: list[pa.Table] = field(default_factory=list)

    def add(self, place: ScoredAt, evaluation_set: EvaluationSet, scores: ItemScores) -> None:
        """Keep one evaluation; raises `DivergedError` where an item's NLL is not finite (a task gives none)."""
        finite = np.isfinite(scores.nll) | (evaluation_set.task is not None)
        bad = [name for name, is_finite in zip(scores.ids, finite, strict=True) if not is_finite]
        if bad:
            raise DivergedError.naming(f"The model's NLL on '{evaluation_set.name}' is not finite", bad)
        count = len(scores.ids)
        absent = pa.nulls(count, pa.float64())
        columns = {
            "kind": [place.kind] * count,
            "after_stage": np.full(count, place.after_stage, dtype=np.int32),
            "set": [evaluation_set.name] * count,
            "probe_tokens": np.full(count, place.probe_tokens, dtype=np.float64),
            "point": np.full(count, place.point, dtype=np.int32),
            "item": list(scores.ids),
            "score": _nullable(normalised(scores, evaluation_set)),
            "nll": _nullable(scores.nll),
            **{name: _nullable(scores.raw[name]) if name in scores.raw else absent for name in MEASURES},
            "generated": list(scores.generated) if scores.generated else pa.nulls(count, pa.string()),
        }
        self.tables.append(pa.table(columns, schema=SCORES))

    def table(self) -> pa.Table:
        """Return all rows so far."""
        return pa.concat_tables(self.tables) if self.tables else SCORES.empty_table()


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(np.float64), mask=np.isnan(values))
