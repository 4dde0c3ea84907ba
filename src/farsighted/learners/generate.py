"""Greedy generation in batches of like length."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from farsighted.models.loading import LanguageModel

_LENGTH_STEP: Final = 32
"""Prompts whose lengths differ by less may share a batch."""


class _Done(StoppingCriteria):  # type: ignore[misc]
    """Says row by row whether a continuation has come to its end."""

    def __init__(self, start: int, is_done: Callable[[Sequence[int]], bool]) -> None:
        self._start, self._is_done = start, is_done

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: object) -> torch.Tensor:
        """Return (B,) whether each row is finished."""
        new = input_ids[:, self._start :].tolist()
        return torch.tensor([self._is_done(row) for row in new], device=input_ids.device)


@torch.no_grad()
def generated(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    end_ids: Sequence[int],
    is_done: Callable[[Sequence[int]], bool],
    batch_tokens: int,
) -> list[list[int]]:
    """Return the greedy continuation of each prompt up to the first of the ends; see `learners.base.Generates`.

    Batches depend on the prompts' lengths and `batch_tokens` (prompt and answer, padded) alone, so the same prompts
    give the same continuations.
    """
    found: list[list[int]] = [[] for _ in prompts]
    pad_id, ends = end_ids[0], frozenset(end_ids)
    for rows in _batches([len(prompt) for prompt in prompts], max_new_tokens, batch_tokens):
        ids_BL, mask_BL = left_padded([prompts[row] for row in rows], pad_id, lm.device)
        width = ids_BL.shape[1]
        with no_defaults(lm) as settings:
            settings.update(max_new_tokens=max_new_tokens, do_sample=False, use_cache=True)
            settings.update(pad_token_id=pad_id, eos_token_id=list(end_ids))
            out = lm.generate(
                ids_BL,
                attention_mask=mask_BL,
                generation_config=settings,
                stopping_criteria=StoppingCriteriaList([_Done(width, is_done)]),
            )
        for row, new in zip(rows, out[:, width:].tolist(), strict=True):
            found[row] = list(itertools.takewhile(lambda token: token not in ends, new))
    return found


def left_padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return prompts that end together, (B, L), and the mask of what is theirs, (B, L)."""
    width = max(map(len, prompts))
    ids = np.full((len(prompts), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(prompts), width), dtype=np.int64)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = prompt
        mask[row, width - len(prompt) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


@contextlib.contextmanager
def no_defaults(lm: LanguageModel) -> Iterator[GenerationConfig]:
    """Set the model's own generation settings aside: a repetition penalty among them is applied to any request.

    Yields settings that say nothing yet.
    """
    kept = lm.generation_config
    lm.generation_config = GenerationConfig()
    try:
        yield GenerationConfig()
    finally:
        lm.generation_config = kept


def _batches(lengths: Sequence[int], new_tokens: int, batch_tokens: int) -> list[list[int]]:
    """Return row numbers, longest prompts first; a batch holds prompts of like length, and `batch_tokens` at most."""
    batches: list[list[int]] = []
    for row in np.argsort(-np.asarray(lengths), kind="stable").tolist():
        longest = lengths[batches[-1][0]] if batches else 0
        fits = batches and (len(batches[-1]) + 1) * (longest + new_tokens) <= batch_tokens
        if fits and longest - lengths[row] < _LENGTH_STEP:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
