"""The item scores and the selections of all cells, each in one table."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from farsighted.store.reader import CellArtifacts
from farsighted.store.records import CellRecord
from farsighted.store.schema import SCORES, SELECTIONS

CELL_COLUMNS: Final = ("cell", "selector", "seed", "order", "budget", "adaptation")
"""What is put in front of a cell's tables where the tables of all cells stand in one file."""


def joined_scores(cells: Sequence[CellArtifacts]) -> pa.Table:
    """Return the item scores of all cells, one below the other, with the cell's columns in front."""
    return _joined([(cell.meta, cell.scores) for cell in cells], SCORES)


def joined_selections(cells: Sequence[CellArtifacts]) -> pa.Table:
    """Return the selections of all cells; a column that a cell does not have is null there."""
    return _joined([(cell.meta, cell.selections) for cell in cells], SELECTIONS)


def _joined(tables: Sequence[tuple[CellRecord, pa.Table]], schema: pa.Schema) -> pa.Table:
    front = pa.schema([("seed", pa.int64()) if name == "seed" else (name, pa.string()) for name in CELL_COLUMNS])
    empty = pa.schema([*front, *schema]).empty_table()
    named = []
    for meta, table in tables:
        values = [meta["id"], *(meta[name] for name in CELL_COLUMNS[1:])]
        columns = [pa.array([value] * len(table), field.type) for value, field in zip(values, front, strict=True)]
        named.append(pa.table([*columns, *table.columns], names=[*CELL_COLUMNS, *table.column_names]))
    return pa.concat_tables([empty, *named], promote_options="permissive")
