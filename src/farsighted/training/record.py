"""What a stage leaves behind: every scored example, every step, and the sample of gradient sketches for Eq. 4."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from farsighted.core.values import Pool, Ranking
from farsighted.learners.base import StepRecord
from farsighted.store.records import TrainedNumbers

SKETCH_LIMIT = 2048
"""Examples that update concentration is computed from; beyond it a uniform sample.

*Reference:* definitions.md#update-concentration.
"""


@dataclass(frozen=True, slots=True)
class SketchSample:
    """A uniform sample of at most `SKETCH_LIMIT` gradient sketches: those with the smallest random keys."""

    keys: np.ndarray
    sketches: np.ndarray

    @classmethod
    def empty(cls) -> "SketchSample":
        """Return a sample of nothing."""
        return cls(np.empty(0), np.empty((0, 0), dtype=np.float32))

    def merged(self, other: "SketchSample") -> "SketchSample":
        """Return the sample of both; merging in any order gives the same set."""
        # A sample of nothing does not know the width of a sketch.
        parts = [part for part in (self, other) if len(part.keys)] or [self]
        keys = np.concatenate([part.keys for part in parts])
        sketches = np.concatenate([part.sketches for part in parts])
        kept = np.argsort(keys, kind="stable")[:SKETCH_LIMIT]
        return SketchSample(keys[kept], sketches[kept])


@dataclass
class StageRecord:
    """Grows while a stage runs; turned into a table and numbers at its end, or into a checkpoint."""

    tables: list[pa.Table] = field(default_factory=list)
    """Rows of `selections.parquet`, one table a round (see `store.schema.SELECTIONS`)."""
    losses: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    trained_tokens: int = 0
    scored_tokens: int = 0
    scoring_seconds: float = 0.0
    training_seconds: float = 0.0
    sample: SketchSample = field(default_factory=SketchSample.empty)

    def add_scoring(self, tokens: int, seconds: float) -> None:
        """Count a scoring pass."""
        self.scored_tokens += tokens
        self.scoring_seconds += seconds

    def add_step(self, step: StepRecord, keys_M: np.ndarray, tokens: int, seconds: float) -> None:
        """Keep an optimizer step; `keys_M` are uniform draws that decide which sketches stay in the sample."""
        self.losses.append(step.loss)
        self.grad_norms.append(step.grad_norm)
        self.trained_tokens += tokens
        self.training_seconds += seconds
        self.sample = self.sample.merged(SketchSample(keys_M, step.sketch))

    def table(self) -> pa.Table:
        """Return all scored examples of the stage so far."""
        return pa.concat_tables(self.tables, promote_options="default")

    def chosen_ids(self) -> list[str]:
        """Return the ids selected so far in this stage, in order of round and rank."""
        if not self.tables:
            return []
        offered = pa.concat_tables([table.select(["round", "rank", "id", "chosen"]) for table in self.tables])
        chosen = offered.filter(offered["chosen"]).sort_by([("round", "ascending"), ("rank", "ascending")])
        ids: list[str] = chosen["id"].to_pylist()
        return ids

    def numbers(self) -> TrainedNumbers:
        """Return everything but the table and the sketches."""
        return {
            "losses": self.losses,
            "grad_norms": self.grad_norms,
            "trained_tokens": self.trained_tokens,
            "scored_tokens": self.scored_tokens,
            "scoring_seconds": self.scoring_seconds,
            "training_seconds": self.training_seconds,
        }


@dataclass(frozen=True, slots=True)
class RoundPlace:
    """When candidates were ranked."""

    stage: str
    index: int
    """1-based."""
    round: int
    step: int
    """Optimizer steps of the stage before the ranking."""


def round_table(place: RoundPlace, pool: Pool, rows: np.ndarray, ranking: Ranking, picked: np.ndarray) -> pa.Table:
    """Return one round's candidates as rows of `selections.parquet`, without the cluster column.

    `rows`: (N,) pool rows of the candidates. `picked`: positions among them.
    """
    count = len(rows)
    rank = np.empty(count, dtype=np.int32)
    rank[ranking.order] = np.arange(count, dtype=np.int32)
    chosen = np.zeros(count, dtype=bool)
    chosen[picked] = True
    tokens = pool.response_lengths[rows].astype(np.int32)
    columns = {
        "stage": pa.array([place.stage] * count, pa.string()),
        "stage_index": np.full(count, place.index, dtype=np.int32),
        "round": np.full(count, place.round, dtype=np.int32),
        "step": np.full(count, place.step, dtype=np.int32),
        "id": pa.array(pool.ids_of(rows), pa.string()),
        "rank": rank,
        "score": np.asarray(ranking.score, dtype=np.float64),
        "chosen": chosen,
        "tokens": tokens,
        "trained_tokens": np.where(chosen, tokens, 0).astype(np.int32),
    }
    parts = {f"component_{part}": np.asarray(values, np.float64) for part, values in ranking.components.items()}
    weight = {} if ranking.weight is None else {"weight": np.asarray(ranking.weight, dtype=np.float64)}
    return pa.table(columns | parts | weight)


def with_known(table: pa.Table, known: Mapping[str, np.ndarray], rows: np.ndarray) -> pa.Table:
    """Return one round's rows with their cluster and, where some come from earlier stages, their `origin`.

    `known`: arrays with one row a pool example.
    """
    table = table.add_column(5, "cluster", pa.array(known["cluster"][rows].astype(np.int32)))
    origin_N = known["origin"][rows] if "origin" in known else np.zeros(len(rows))
    if not origin_N.any():
        return table
    return table.append_column("origin", pa.array(origin_N, pa.int32(), mask=origin_N == 0))
