"""What a cell selected in its earlier stages, as further candidates of the next one."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from farsighted.core.values import Pool, Tokens
from farsighted.store.token_table import extended
from farsighted.training.stage import StageInput


def with_earlier(stage: StageInput, before: Sequence[StageInput], selections: Sequence[pa.Table]) -> StageInput:
    """Return a stage whose pool ends with what the cell selected from the pools of the stages before it.

    An example comes once for each pool that it was selected from, in the order of stage, round and rank, as
    "ID (replayed from stage 1)". A stage that replays nothing is returned as it is.

    Args:
        stage: The stage as every selector is given it.
        before: The stages before it, likewise.
        selections: What the cell has selected in them (`store.schema.SELECTIONS`): all that is needed to go on.
    """
    if not stage.replay_share or not before or not selections:
        return stage
    table = pa.concat_tables(selections, promote_options="default")
    chosen = [_chosen(earlier, table) for earlier in before]
    again = [_again(earlier, rows) for earlier, rows in zip(before, chosen, strict=True)]
    known = {
        name: np.concatenate(
            [rows_N, *(earlier.known[name][rows] for earlier, rows in zip(before, chosen, strict=True))]
        )
        for name, rows_N in stage.known.items()
    }
    counts = [len(rows) for rows in chosen]
    stages = np.repeat([earlier.index for earlier in before], counts)
    known["origin"] = np.concatenate([stage.known["origin"], stages.astype(np.int32)])
    pool = Pool(stage.pool.name, extended(stage.pool.tokens, [tokens for part in again for tokens in part]))
    return dataclasses.replace(stage, pool=pool, known=known, replayable=sum(counts))


def _chosen(stage: StageInput, table: pa.Table) -> np.ndarray:
    """Return the pool rows that were selected in a stage from its own pool, in order."""
    mine = table.filter(pc.and_(table["chosen"], pc.equal(table["stage_index"], stage.index)))
    if "origin" in mine.column_names:
        mine = mine.filter(pc.is_null(mine["origin"]))
    names = mine.sort_by([("round", "ascending"), ("rank", "ascending")])["id"].to_pylist()
    return stage.pool.rows_of(names)


def _again(stage: StageInput, rows: np.ndarray) -> Iterator[Tokens]:
    """Yield examples under names that no pool has: pools of two stages may name their examples alike."""
    for row in rows:
        tokens = stage.pool.tokens[row]
        name = f"{tokens.example.id} (replayed from stage {stage.index})"
        yield dataclasses.replace(tokens, example=dataclasses.replace(tokens.example, id=name))
