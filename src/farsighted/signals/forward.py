"""Response positions of a forward pass, without padding (definitions.md#signals).

A response token at position t is predicted from the hidden state at t − 1. Causal attention and right padding make
every hidden state of a real token independent of the pads, so no attention mask is needed and no pad enters a score.

Shape letters: B examples of a batch, L positions, R response tokens of the whole batch, P positions of the whole
batch, D hidden, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from farsighted.core.errors import DataError, ModelError
from farsighted.core.values import Tokens
from farsighted.signals.logits import wide

Where = Literal["response", "non_pad"]
"""Positions whose logits enter `nuclear_norm` and `logit_sketch`."""


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """The response positions of a batch, one after the other, without padding."""

    hidden_RD: Tensor
    """Hidden states that predict the response tokens."""
    target_R: Tensor
    """Response token ids, end token included."""
    row_R: Tensor
    """Row of the batch that each token belongs to, ascending."""
    lengths_B: Tensor
    """Response tokens of each example, each at least 1."""

    def mean(self, values_R: Tensor) -> Tensor:
        """Return the mean over each example's response tokens: (R,) to (B,), or (R, D) to (B, D)."""
        return torch.segment_reduce(wide(values_R), "mean", lengths=self.lengths_B)

    def padded(self, values_R: Tensor) -> Tensor:
        """Return values (R, ...) as (B, longest response, ...), with zeros behind each example's tokens."""
        starts_B = torch.cumsum(self.lengths_B, 0) - self.lengths_B
        within_R = torch.arange(len(self.row_R), device=self.row_R.device) - starts_B[self.row_R]
        shape = (len(self.lengths_B), int(self.lengths_B.max()), *values_R.shape[1:])
        return values_R.new_zeros(shape).index_put((self.row_R, within_R), values_R)

    def detached(self) -> "Ragged":
        """Return the same positions, outside of any gradient."""
        return replace(self, hidden_RD=self.hidden_RD.detach())


class Positions(NamedTuple):
    """Hidden states of some positions of each example, one example after the other."""

    hidden_PD: Tensor
    lengths_B: Tensor


def gather_response(hidden_BLD: Tensor, batch: Sequence[Tokens]) -> Ragged:
    """Return the positions that predict response tokens.

    Args:
        hidden_BLD: last hidden states of the right-padded batch; the last column may have been left out.
        batch: the B examples, in the same order.

    Raises:
        DataError: an example has an empty prompt (its first response token has no predecessor) or an empty response.
        ModelError: hidden states of another batch: other number of rows, or too few positions.
    """
    _check_batch(hidden_BLD, batch)
    device = hidden_BLD.device
    lengths = torch.tensor([tokens.response_length for tokens in batch])
    row = torch.repeat_interleave(torch.arange(len(batch)), lengths)
    first = torch.tensor([tokens.prompt_length - 1 for tokens in batch])
    column = torch.arange(len(row)) - (torch.cumsum(lengths, 0) - lengths)[row] + first[row]
    target = torch.tensor([token for tokens in batch for token in tokens.ids[tokens.prompt_length :]])
    hidden_RD = hidden_BLD[row.to(device), column.to(device)]
    return Ragged(hidden_RD, target.to(device), row.to(device), lengths.to(device))


def gather_positions(hidden_BLD: Tensor, batch: Sequence[Tokens], positions: Where) -> Positions:
    """Return the hidden states whose logits enter `nuclear_norm` and `logit_sketch`.

    `response`: those that predict response tokens. `non_pad`: every real token. Pads never enter: how many there are
    depends on the neighbours in a batch, and so would the score.
    """
    if positions == "response":
        ragged = gather_response(hidden_BLD, batch)
        return Positions(ragged.hidden_RD, ragged.lengths_B)
    _check_batch(hidden_BLD, batch)
    columns = hidden_BLD.shape[1]
    counts = [min(len(tokens.ids), columns) for tokens in batch]
    hidden_PD = torch.cat([hidden_BLD[row, :count] for row, count in enumerate(counts)])
    return Positions(hidden_PD, torch.tensor(counts, device=hidden_BLD.device))


@contextmanager
def scoring_mode(model: nn.Module) -> Iterator[None]:
    """Put a model in eval mode, and give every module its own mode back afterwards (definitions.md#signals)."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _check_batch(hidden_BLD: Tensor, batch: Sequence[Tokens]) -> None:
    for tokens in batch:
        if tokens.prompt_length < 1 or tokens.response_length < 1:
            raise DataError(
                f"Every example must have a prompt and a response of at least one token, but '{tokens.example.id}' has "
                f"{tokens.prompt_length} and {tokens.response_length}. Put a begin token in front of empty prompts."
            )
    longest = max((len(tokens.ids) for tokens in batch), default=0)
    if hidden_BLD.shape[0] != len(batch) or hidden_BLD.shape[1] < longest - 1 or not batch:
        raise ModelError(
            f"Hidden states must have one row an example and a position for every token, but their shape is "
            f"{tuple(hidden_BLD.shape)} for {len(batch)} examples of up to {longest} tokens. Pass those of this batch."
        )
