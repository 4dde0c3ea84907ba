"""How far a cell is, and how that goes into a checkpoint and comes out again."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farsighted.core.values import State
from farsighted.protocol.scores import ScoreRows
from farsighted.store.records import ProgressRecord, RunningStage, StageNumbers
from farsighted.store.schema import SELECTIONS
from farsighted.store.writer import Checkpoint
from farsighted.training.record import SketchSample, StageRecord
from farsighted.training.stage import StageProgress

Groups = Mapping[str, Mapping[str, np.ndarray]]


@dataclass
class CellProgress:
    """What a cell has gathered at the end of its last finished stage."""

    state: State
    stages: int = 0
    """Stages finished."""
    scores: ScoreRows = field(default_factory=ScoreRows)
    selections: list[pa.Table] = field(default_factory=list)
    per_stage: list[StageNumbers] = field(default_factory=list)
    sample: SketchSample = field(default_factory=SketchSample.empty)
    evaluation_seconds: float = 0.0
    probe_seconds: float = 0.0
    probe_tokens: int = 0
    interruptions: int = 0

    @contextlib.contextmanager
    def timed(self, field_name: Literal["evaluation_seconds", "probe_seconds"]) -> Iterator[None]:
        """Add the wall-clock time of the block to one of the cell's clocks."""
        began = time.perf_counter()
        yield
        setattr(self, field_name, getattr(self, field_name) + time.perf_counter() - began)

    def finish_stage(self, progress: StageProgress, numbers: StageNumbers) -> None:
        """Take over what a finished stage left."""
        self.stages += 1
        self.state = progress.state
        self.selections.extend(progress.record.tables)
        self.sample = self.sample.merged(progress.record.sample)
        self.per_stage.append(numbers)

    def selection_table(self) -> pa.Table:
        """Return all scored examples so far."""
        return _joined(self.selections)

    def save(self, stage: StageProgress | None) -> tuple[ProgressRecord, Groups, pa.Table]:
        """Return meta, array groups and selections of a checkpoint, with the stage in progress if there is one."""
        meta: ProgressRecord = {
            "per_stage": self.per_stage,
            "evaluation_seconds": self.evaluation_seconds,
            "probe_seconds": self.probe_seconds,
            "probe_tokens": self.probe_tokens,
            "interruptions": self.interruptions,
        }
        groups = {"state": self.state, "sample": _sample_arrays(self.sample)}
        if stage is None:
            return meta, groups, self.selection_table()
        groups |= {"stage_state": stage.state, "stage_sample": _sample_arrays(stage.record.sample)}
        if stage.proxy_sketch is not None:
            groups["proxy"] = {"sketch": stage.proxy_sketch}
        if stage.picked is not None:
            weight = {} if stage.picked_weight is None else {"weight": stage.picked_weight}
            groups["picked"] = {"rows": stage.picked, **weight}
        selections = _joined([*self.selections, *stage.record.tables])
        meta["stage"] = {
            "round": stage.round,
            "spent": stage.spent,
            "replayed": stage.replayed,
            "steps": stage.steps,
            "round_steps": stage.round_steps,
            "record": stage.record.numbers(),
        }
        return meta, groups, selections

    @staticmethod
    def load(checkpoint: Checkpoint, groups: Groups) -> "tuple[CellProgress, StageProgress | None]":
        """Return what `save` was called on."""
        meta, table = checkpoint.meta, checkpoint.selections
        finished = table.filter(pc.less_equal(table["stage_index"], checkpoint.stage))
        done = CellProgress(
            state=groups.get("state", {}),
            stages=checkpoint.stage,
            scores=ScoreRows([checkpoint.scores]),
            selections=[finished] if finished.num_rows else [],
            per_stage=list(meta["per_stage"]),
            sample=_sample(groups["sample"]),
            evaluation_seconds=meta["evaluation_seconds"],
            probe_seconds=meta["probe_seconds"],
            probe_tokens=meta["probe_tokens"],
            interruptions=meta["interruptions"] + 1,
        )
        if "stage" not in meta:
            return done, None
        running = [table.slice(finished.num_rows)] if table.num_rows > finished.num_rows else []
        return done, _running(meta["stage"], running, groups)


def _running(saved: RunningStage, tables: list[pa.Table], groups: Groups) -> StageProgress:
    """The stage in progress, as it was saved."""
    numbers = saved["record"]
    return StageProgress(
        round=saved["round"],
        spent=saved["spent"],
        replayed=saved["replayed"],
        steps=saved["steps"],
        round_steps=saved["round_steps"],
        state=groups.get("stage_state", {}),
        proxy_sketch=groups.get("proxy", {}).get("sketch"),
        record=StageRecord(tables=tables, sample=_sample(groups["stage_sample"]), **numbers),
        picked=groups.get("picked", {}).get("rows"),
        picked_weight=groups.get("picked", {}).get("weight"),
    )


def pack(groups: Groups) -> dict[str, np.ndarray]:
    """Return groups of arrays as one flat mapping, `group/name`."""
    return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}


def unpack(flat: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return what `pack` was given; groups that held nothing are missing."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for key, array in flat.items():
        group, name = key.split("/", 1)
        groups.setdefault(group, {})[name] = array
    return groups


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables one below the other; nothing selected is a table without rows, not one without columns."""
    return pa.concat_tables(tables, promote_options="default") if tables else SELECTIONS.empty_table()


def _sample_arrays(sample: SketchSample) -> dict[str, np.ndarray]:
    return {"keys": sample.keys, "sketches": sample.sketches}


def _sample(arrays: Mapping[str, np.ndarray]) -> SketchSample:
    return SketchSample(arrays["keys"], arrays["sketches"])
