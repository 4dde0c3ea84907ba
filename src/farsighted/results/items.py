"""From the item table of a cell to arrays: which item got which score, when (definitions.md#score-matrix).

Letters: S stages scored (0 = base), T tasks, I items of a set, P points of a probe curve, B resamples.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from farsighted.core.errors import StorageError
from farsighted.metrics.intervals import Resample, draw_resamples

Probe = Literal["neutral", "own"]

_KEYS = ("kind", "after_stage", "set", "point", "item")


@dataclass(frozen=True, slots=True)
class Curve:
    """One probe: the scores on the next stage's items while the model is trained on it."""

    after_stage: int
    """The stage t that was finished, 1..T-1."""
    stage: str
    """The next stage."""
    tokens_P: np.ndarray
    """Response tokens trained so far."""
    scores_PI: np.ndarray


@dataclass(frozen=True, slots=True)
class CellItems:
    """All item scores of one cell that the metrics read; sets are named `kind/name`."""

    validation: Mapping[str, np.ndarray]
    """Set to (S, I) scores, in the order of the stages; NaN in rows that were not evaluated."""
    ood: Mapping[str, np.ndarray]
    """Set to the (I,) scores of the final model."""
    probes: Mapping[Probe, tuple[Curve, ...]]
    """The two probes' curves, in order of stage."""
    ids: Mapping[str, tuple[str, ...]]
    """Set to item ids, sorted; every row of scores is in this order."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One evaluation of one set."""

    kind: str
    after_stage: int
    set: str
    point: int
    probe_tokens: float
    ids: tuple[str, ...]
    scores_I: np.ndarray


def read_items(scores: pa.Table, stages: Sequence[str], cell: str) -> CellItems:
    """Return the item scores of one cell as arrays.

    Raises:
        StorageError: if a set was not evaluated on the same items throughout the cell.
    """
    blocks = list(_blocks(scores))
    ids: dict[str, tuple[str, ...]] = {}
    for block in blocks:
        if ids.setdefault(_name(block), block.ids) != block.ids:
            raise StorageError(
                f"All evaluations of the set '{block.set}' ({block.kind}) must have the same items, but cell {cell} "
                f"has others after stage {block.after_stage}. Delete its folder and run the audit again."
            )
    last = len(stages)
    neutral, own = _curves(blocks, "probe_neutral", last), _curves(blocks, "probe_own", last)
    # A stage too short for its own probe has a curve over fewer tokens: its area compares with nothing.
    points = {curve.after_stage: len(curve.tokens_P) for curve in neutral}
    own = tuple(curve for curve in own if len(curve.tokens_P) >= points.get(curve.after_stage, 0))
    return CellItems(
        validation={f"validation/{stage}": _rows(blocks, stage, last, ids) for stage in stages},
        ood={_name(block): block.scores_I for block in blocks if block.kind == "ood" and block.after_stage == last},
        probes={"neutral": neutral, "own": own},
        ids=ids,
    )


def draw_items(cells: Sequence[tuple[str, CellItems]], rng: np.random.Generator, resamples: int) -> Resample:
    """Return one draw of items for all cells of a group, so that every comparison is paired.

    A probe whose items are among the validation items of its stage shares their draw (what an item does to both is one
    thing); any other set has its own. The seeds are not drawn here: every row of `seed_index` is one zero.

    Raises:
        StorageError: if two cells were scored on different items of one set.
    """
    ids: dict[str, tuple[str, ...]] = {}
    for name, items in cells:
        for key, found in items.ids.items():
            if ids.setdefault(key, found) != found:
                raise StorageError(
                    f"Cells that are compared must be scored on the same items, but cell {name} has other items of "
                    f"'{key}' than cell {cells[0][0]}. Write the two audits into different folders."
                )
    parents = {key: _parent(key, ids) for key in ids}
    counts = {key: len(found) for key, found in ids.items() if parents[key] is None}
    drawn = draw_resamples(rng, resamples, 1, counts)
    weights = dict(drawn.weights)
    for key, parent in parents.items():
        if parent is not None:
            column = {item: index for index, item in enumerate(ids[parent])}
            whole = ids[key] == ids[parent]
            part = drawn.weights[parent][:, [column[item] for item in ids[key]]]
            weights[key] = drawn.weights[parent] if whole else _shares(part)
    return Resample(drawn.seed_index, weights)


def _blocks(scores: pa.Table) -> Iterator[_Block]:
    numbered = {key: _numbered(scores.column(key)) for key in _KEYS}
    order = np.lexsort([numbered[key][0] for key in reversed(_KEYS)])
    columns = {key: number_N[order] for key, (number_N, _) in numbered.items()}
    score = np.asarray(scores.column("score").to_numpy(), dtype=np.float64)[order]
    tokens = np.asarray(scores.column("probe_tokens").to_numpy(), dtype=np.float64)[order]
    new = np.zeros(len(order), dtype=bool)
    for key in _KEYS[:-1]:
        new[1:] |= columns[key][1:] != columns[key][:-1]
    new[:1] = True
    # A set has the same items at every evaluation: one tuple serves them all.
    names: dict[bytes, tuple[str, ...]] = {}
    for start, end in itertools.pairwise([*np.flatnonzero(new).tolist(), len(order)]):
        kind, after, name, point = (numbered[key][1][columns[key][start]] for key in _KEYS[:-1])
        items = columns["item"][start:end]
        same = items.tobytes()
        if same not in names:
            names[same] = tuple(numbered["item"][1][number] for number in items)
        yield _Block(kind, after, name, point, float(tokens[start]), names[same], score[start:end])


def _numbered(column: Any) -> tuple[np.ndarray, list[Any]]:
    """Return the place of every value among the distinct ones in ascending order, (N,), and those."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    ascending = sorted(range(len(values)), key=values.__getitem__)
    place = np.empty(len(values), dtype=np.int64)
    place[ascending] = np.arange(len(values))
    return place[encoded.indices.to_numpy()], [values[number] for number in ascending]


def _name(block: _Block) -> str:
    return f"{block.kind}/{block.set}"


def _rows(blocks: Sequence[_Block], stage: str, last: int, ids: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    rows_SI = np.full((last + 1, len(ids.get(f"validation/{stage}", ())) or 1), np.nan)
    for block in blocks:
        if block.kind == "validation" and block.set == stage:
            rows_SI[block.after_stage] = block.scores_I
    return rows_SI


def _curves(blocks: Sequence[_Block], kind: str, last: int) -> tuple[Curve, ...]:
    found: dict[int, list[_Block]] = {}
    for block in blocks:
        if block.kind == kind and 0 < block.after_stage < last:  # what is before stage 1 probes no stage's end
            found.setdefault(block.after_stage, []).append(block)
    return tuple(
        Curve(
            after_stage,
            points[0].set,
            np.array([point.probe_tokens for point in points]),
            np.stack([point.scores_I for point in points]),
        )
        for after_stage, points in sorted(found.items())
    )


def _parent(key: str, ids: Mapping[str, tuple[str, ...]]) -> str | None:
    kind, _, name = key.partition("/")
    parent = f"validation/{name}"
    if not kind.startswith("probe") or not set(ids[key]) <= set(ids.get(parent, ())):
        return None
    return parent


def _shares(weights_BI: np.ndarray) -> np.ndarray:
    """Scale rows to a sum of 1; a draw that holds none of the items, possible for tiny probes, counts each once."""
    total_B1 = weights_BI.sum(axis=1, keepdims=True)
    return np.where(total_B1 > 0, weights_BI / np.where(total_B1 > 0, total_B1, 1), 1 / weights_BI.shape[1])
