"""The numbers of a running cell, told once each as they come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from farsighted.core.numbers import number_or_none
from farsighted.core.readings import Listener, Reading
from farsighted.protocol.probe import Probed
from farsighted.protocol.scores import ScoreRows
from farsighted.training.record import StageRecord

_NAMES = {"validation": "score", "ood": "score", "probe_neutral": "probe_neutral", "probe_own": "probe_own"}


@dataclass
class Told:
    """What a cell has told of its numbers so far.

    What a checkpoint brings back counts as told (`skip`), so a cell that goes on tells only what is new.
    """

    cell: str
    stages: Sequence[str]
    """The cell's stages, in order."""
    listener: Listener
    steps: int = 0
    """Optimizer steps of the stage in progress that were told."""
    tables: int = 0
    """Tables of scores that were told."""

    def skip(self, scores: ScoreRows, record: StageRecord | None) -> None:
        """Count what is there as told."""
        self.tables = len(scores.tables)
        self.steps = 0 if record is None else len(record.losses)

    def begin_stage(self) -> None:
        """The next step that is told is the first one of a stage."""
        self.steps = 0

    def tell_steps(self, stage: str, record: StageRecord) -> None:
        """Tell loss and gradient norm of the steps that are new; a step that failed has a loss alone, NaN."""
        readings = []
        for step in range(self.steps, len(record.losses)):
            readings.append(Reading("loss", float(record.losses[step]), self.cell, stage, step + 1))
            if step < len(record.grad_norms):
                readings.append(Reading("grad_norm", float(record.grad_norms[step]), self.cell, stage, step + 1))
        self.steps = len(record.losses)
        if readings:
            self.listener.numbers(readings)

    def tell_scores(self, scores: ScoreRows) -> None:
        """Tell the mean score of every set and point that is new."""
        new = scores.tables[self.tables :]
        self.tables = len(scores.tables)
        if new:
            self.listener.numbers([reading for table in new for reading in self._scores(table)])

    def tell_probe(self, stage: str, probed: Probed) -> None:
        """Tell loss and gradient norm of the steps of a neutral probe that was branched off after a stage."""
        readings = []
        for step, (loss, norm) in enumerate(zip(probed.losses, probed.grad_norms, strict=True), start=1):
            readings.append(Reading("probe_loss", loss, self.cell, stage, step))
            readings.append(Reading("probe_grad_norm", norm, self.cell, stage, step))
        self.listener.numbers(readings)

    def _scores(self, table: pa.Table) -> Iterator[Reading]:
        """The mean over items, None where an item has no score, as in the report."""
        keys = [table[name].to_pylist() for name in ("kind", "after_stage", "set", "point")]
        score_I = table["score"].to_numpy()
        rows: dict[tuple[str, int, str, int], list[int]] = {}
        for row, key in enumerate(zip(*keys, strict=True)):
            rows.setdefault(key, []).append(row)
        for (kind, after, name, point), picked in rows.items():
            value = number_or_none(float(np.mean(score_I[picked])))
            stage = self.stages[after - 1] if after else None
            step = point if kind.startswith("probe") else None
            yield Reading(_NAMES[kind], value, self.cell, stage, step, name)
