"""Tokenised examples as columns, in memory or mapped from a file: a row becomes an object when it is asked for.

As Python objects an example takes ten times its text, most of it for token ids. Here ids are in one int32 array and
texts in UTF-8, each with offsets (Arrow's layout). Processes that map the same file share its pages.
"""

import itertools
import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, TypedDict, TypeVar, overload

import numpy as np
import pyarrow as pa

from farsighted.core.values import Example, Gold, Label, TokenColumns, Tokens

ROWS: Final = 4096
"""Rows of a block: enough that a block's own cost is nothing, few enough that one is quickly built."""

_TEXTS: Final = pa.large_list(pa.large_string())
_GOLD: Final = pa.struct(
    {
        "answers": _TEXTS,
        "rejected": pa.large_string(),
        "true_answers": _TEXTS,
        "false_answers": _TEXTS,
        "tests": _TEXTS,
        "setup": pa.large_string(),
        "entry_point": pa.large_string(),
    }
)
_SCHEMA: Final = pa.schema(
    {
        "ids": pa.large_list(pa.int32()),
        "prompt_length": pa.int32(),
        "id": pa.large_string(),
        "prompt": pa.large_string(),
        "response": pa.large_string(),
        "cluster": pa.large_string(),
        "difficulty": pa.float64(),
        "quality": pa.float64(),
        "source": pa.large_string(),
        "choices": _TEXTS,
        "answer_index": pa.int64(),
        "gold": _GOLD,
        "turns": pa.large_list(pa.large_list(pa.large_string())),
        "conversation": pa.large_string(),
    }
)
"""Null stands for a field's default."""
_ALWAYS: Final = frozenset({"ids", "prompt_length"})


class TokenTable(TokenColumns):
    """N texts with their examples; a sequence of `Tokens` that are built anew each time they are asked for."""

    def __init__(self, blocks: Sequence[pa.RecordBatch]) -> None:
        self._blocks = [_Block.of(block) for block in blocks if block.num_rows]
        self._starts: list[int] = list(
            itertools.accumulate((block.batch.num_rows for block in self._blocks), initial=0)
        )

    @classmethod
    def of(cls, texts: Iterable[Tokens]) -> "TokenTable":
        """Return texts as columns in memory; only a block of them is held as objects at a time."""
        return cls([_as_batch(part) for part in _batched(texts)])

    @classmethod
    def open(cls, path: Path) -> "TokenTable":
        """Return the table that `write` left, mapped: pages are read when a row is, and shared between processes."""
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            return cls([reader.get_batch(number) for number in range(reader.num_record_batches)])

    def write(self, path: Path) -> None:
        """Write an Arrow file of this table."""
        with pa.ipc.new_file(str(path), _SCHEMA) as writer:
            for block in self._blocks:
                writer.write_batch(block.batch)

    @overload
    def __getitem__(self, index: int) -> Tokens: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Tokens, ...]: ...
    def __getitem__(self, index: int | slice) -> Tokens | tuple[Tokens, ...]:
        rows = range(len(self))[index]
        return self._row(rows) if isinstance(rows, int) else tuple(self._row(row) for row in rows)

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Tokens]:
        return (block.row(row) for block in self._blocks for row in range(block.batch.num_rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TokenTable of {len(self)} texts"

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) int64 tokens of each text, prompt included."""
        return np.concatenate([np.zeros(0, np.int64), *(np.diff(block.offsets) for block in self._blocks)])

    @cached_property
    def prompt_lengths(self) -> np.ndarray:
        """(N,) int64 leading tokens of each text that carry no loss."""
        parts = [block.prompt_lengths for block in self._blocks]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def ids_of(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Return the example ids of some rows, in the order asked for."""
        places = (self._place(int(row)) for row in rows)
        return [block.batch.column("id")[row].as_py() for block, row in places]

    def labels(self, name: Label) -> list[str | float | None]:
        """Return one label of every row, None where an example has none."""
        return [label for block in self._blocks for label in block.batch.column(name).to_pylist()]

    def extended(self, further: Sequence[Tokens]) -> "TokenTable":
        """Return a table that goes on with further texts; what is here is not copied."""
        return TokenTable([*(block.batch for block in self._blocks), *map(_as_batch, _batched(further))])

    def _row(self, row: int) -> Tokens:
        block, place = self._place(row)
        return block.row(place)

    def _place(self, row: int) -> "tuple[_Block, int]":
        number = bisect_right(self._starts, row) - 1
        return self._blocks[number], row - self._starts[number]


_Made = TypeVar("_Made")


class Made(Sequence[_Made]):
    """A sequence whose entries are made when they are asked for; equal to any sequence of equal entries."""

    def __init__(self, count: int, make: Callable[[int], _Made]) -> None:
        self._count = count
        self._make = make

    @overload
    def __getitem__(self, index: int) -> _Made: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[_Made, ...]: ...
    def __getitem__(self, index: int | slice) -> _Made | tuple[_Made, ...]:
        rows = range(self._count)[index]
        return self._make(rows) if isinstance(rows, int) else tuple(self._make(row) for row in rows)

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]


def grouped(table: TokenTable, counts: Sequence[int]) -> Made[tuple[Tokens, ...]]:
    """Return runs of a table's texts, each as long as `counts` says."""
    ends = list(itertools.accumulate(counts, initial=0))
    return Made(len(counts), lambda row: table[ends[row] : ends[row + 1]])


def ids_alone(table: TokenTable) -> Made[tuple[int, ...]]:
    """Return the token ids of a table's texts."""
    return Made(len(table), lambda row: table[row].ids)


def extended(texts: Sequence[Tokens], further: Sequence[Tokens]) -> Sequence[Tokens]:
    """Return texts and further ones behind them, kept as the first ones are."""
    return texts.extended(further) if isinstance(texts, TokenTable) else (*texts, *further)


class _Block(NamedTuple):
    """One batch of columns, with views on what is asked for most."""

    batch: pa.RecordBatch
    ids: np.ndarray
    """int32 token ids, text after text."""
    offsets: np.ndarray
    """Where each text's ids begin, and where the last one's end."""
    prompt_lengths: np.ndarray
    given: tuple[tuple[str, pa.Array], ...]
    """Columns of the example's fields that any row has: most files leave most fields out."""

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "_Block":
        ids = batch.column("ids")
        columns = {name: batch.column(name) for name in _SCHEMA.names if name not in _ALWAYS}
        return cls(
            batch,
            ids.values.to_numpy(),
            ids.offsets.to_numpy(),
            batch.column("prompt_length").to_numpy().astype(np.int64),
            tuple((name, column) for name, column in columns.items() if column.null_count < batch.num_rows),
        )

    def row(self, row: int) -> Tokens:
        start, end = self.offsets[row : row + 2].tolist()
        fields = {}
        for name, column in self.given:
            value = column[row].as_py()
            if value is None:
                continue
            if name in _BACK:
                value = _BACK[name](value)
            fields[name] = value
        return Tokens(Example(**fields), tuple(self.ids[start:end].tolist()), int(self.prompt_lengths[row]))


class _GoldFields(TypedDict):
    answers: list[str]
    rejected: str
    true_answers: list[str]
    false_answers: list[str]
    tests: list[str]
    setup: str
    entry_point: str


def _gold(fields: _GoldFields) -> Gold:
    return Gold(
        tuple(fields["answers"]),
        fields["rejected"],
        tuple(fields["true_answers"]),
        tuple(fields["false_answers"]),
        tuple(fields["tests"]),
        fields["setup"],
        fields["entry_point"],
    )


_BACK: Final[dict[str, Callable[..., object]]] = {
    "choices": tuple,
    "gold": _gold,
    "turns": lambda turns: tuple(tuple(turn) for turn in turns),
}
"""How nested fields become the tuples that they were."""


def _batched(texts: Iterable[Tokens]) -> Iterator[list[Tokens]]:
    rest = iter(texts)
    while part := list(itertools.islice(rest, ROWS)):
        yield part


def _as_batch(part: list[Tokens]) -> pa.RecordBatch:
    offsets = np.concatenate([[0], np.cumsum([len(tokens.ids) for tokens in part])])
    ids = np.fromiter((token for tokens in part for token in tokens.ids), np.int32, int(offsets[-1]))
    columns = {
        "ids": pa.LargeListArray.from_arrays(offsets, ids),
        "prompt_length": [tokens.prompt_length for tokens in part],
    }
    for name in _SCHEMA.names:
        if name not in _ALWAYS:
            columns[name] = [_kept(name, getattr(tokens.example, name)) for tokens in part]
    return pa.record_batch(columns, schema=_SCHEMA)


def _kept(name: str, value: object) -> object:
    """Return a field's value as Arrow takes it; a default is no value."""
    if isinstance(value, Gold):
        return None if value == Gold() else {field: getattr(value, field) for field in Gold.__dataclass_fields__}
    return None if value == () or (name == "conversation" and not value) else value
