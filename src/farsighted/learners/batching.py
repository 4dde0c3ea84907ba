"""Texts in length-sorted passes that fit into memory: where it runs out, passes are halved."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import numpy as np
import torch

from farsighted.core.errors import ModelError
from farsighted.core.values import Tokens
from farsighted.data.batches import length_sorted_batches

Arrays = Mapping[str, np.ndarray]
_Part = TypeVar("_Part")

_log = logging.getLogger(__name__)
_CPU_MESSAGE: Final = "can't allocate memory"
"""What torch's CPU allocator says; it has no error class of its own."""


class PassSize:
    """Padded tokens that one pass may hold; it shrinks for good where memory has run out.

    `virtual`: tokens that an adaptation puts before every text, which take their room.
    """

    def __init__(self, tokens: int, virtual: int = 0) -> None:
        self.tokens = tokens
        self._virtual = virtual

    def batches(self, texts: Sequence[Tokens]) -> list[np.ndarray]:
        """Return the row numbers of length-sorted batches that fit."""
        return list(length_sorted_batches([len(text.ids) + self._virtual for text in texts], self.tokens))

    def halve(self, batch: Sequence[Tokens]) -> None:
        """Let passes hold half of what this batch held; raises `ModelError` where it was a single example."""
        longest = max(len(tokens.ids) for tokens in batch) + self._virtual
        if len(batch) == 1:
            raise ModelError(
                f"A pass over one example must fit into memory, but '{batch[0].example.id}' with {longest} tokens does "
                "not. Lower `model.context`, take a smaller model, or free memory."
            )
        self.tokens = max(longest, longest * len(batch) // 2)
        _log.warning(
            "A pass over %d examples of up to %d tokens did not fit into memory: passes now hold at most %d tokens.",
            len(batch),
            longest,
            self.tokens,
        )


class PassTooLargeError(Exception):
    """A pass ran out of memory; holds its batch."""

    def __init__(self, batch: Sequence[Tokens]) -> None:
        super().__init__(f"A pass over {len(batch)} examples ran out of memory.")
        self.batch = batch


def in_batches(texts: Sequence[Tokens], size: PassSize, run: Callable[[list[Tokens]], Arrays]) -> Arrays:
    """Run over length-sorted batches and return the rows in the order given.

    A batch that does not fit into memory is run again as two halves; batches that are done are kept. No pad enters a
    score, so halving changes nothing but the order of summation.

    Raises:
        ModelError: a single example does not fit.
    """
    return joined(*run_parts(texts, size, run))


def run_parts(
    texts: Sequence[Tokens], size: PassSize, run: Callable[[list[Tokens]], _Part]
) -> tuple[list[np.ndarray], list[_Part]]:
    """Return the row numbers and the result of each batch; otherwise as `in_batches`."""
    rows, parts = [], []
    pending = deque(size.batches(texts))
    while pending:
        index = pending.popleft()
        batch = [texts[row] for row in index]
        try:
            part = _fitted(batch, run)
        except PassTooLargeError:
            size.halve(batch)
            pending.extendleft(np.array_split(index, 2)[::-1])
        else:
            rows.append(index)
            parts.append(part)
    return rows, parts


def in_batches_or_again(
    texts: Sequence[Tokens],
    size: PassSize,
    begin: Callable[[], None],
    run: Callable[[list[Tokens], np.ndarray], Arrays],
) -> Arrays:
    """Run batches whose effects add up, such as gradients; `run` is told their rows too; otherwise as `in_batches`.

    `begin` is called first. Where a batch does not fit into memory, its effect may be there in part: `begin` is called
    again, and all batches are run anew in smaller ones.
    """
    while True:
        begin()
        rows = size.batches(texts)
        try:
            parts = [_fitted([texts[row] for row in index], partial(_run_on, run, index)) for index in rows]
        except PassTooLargeError as error:
            size.halve(error.batch)
        else:
            return joined(rows, parts)


def joined(rows: Sequence[np.ndarray], parts: Sequence[Arrays]) -> Arrays:
    """Return the rows of all parts in the order of their row numbers."""
    back = np.argsort(np.concatenate(rows))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _run_on(run: Callable[[list[Tokens], np.ndarray], Arrays], rows: np.ndarray, batch: list[Tokens]) -> Arrays:
    return run(batch, rows)


def _fitted(batch: list[Tokens], run: Callable[[list[Tokens]], _Part]) -> _Part:
    """Return `run(batch)`, or raise `PassTooLargeError` where it ran out of memory."""
    try:
        return run(batch)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
    # Outside of the handler: the error's traceback holds the tensors of the pass.
    _give_back()
    raise PassTooLargeError(batch)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or _CPU_MESSAGE in str(error)


def _give_back() -> None:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
