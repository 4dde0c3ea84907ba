"""The share of a trained embedding's gradient that it gets as the output head, where the two are tied.

The loss reads the head's weight directly and never calls a module, so this share comes from the response positions
(`farsighted.signals.head`) and not from hooks. What is added here is the inner product of the two shares.

Shape letters: N examples, T positions and S response tokens of an example (padded), R response tokens of the batch,
D hidden, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from farsighted.signals.factors import Lookup
from farsighted.signals.forward import Ragged
from farsighted.signals.logit_pass import head_grad_norm, head_sketch
from farsighted.signals.logits import Head, chunks, token_nll, wide
from farsighted.signals.sketch import TwoSided


@dataclass(frozen=True, slots=True, eq=False)
class HeadPart:
    """The gradient of each example's mean response NLL with respect to the head's W, `Σ_s e_s h_sᵀ / S`."""

    ragged: Ragged
    """Response positions of the same pass, detached."""
    head: Head
    """The head, detached."""

    def squared_norm(self) -> Tensor:
        """Return the squared norm (N,), float64."""
        return head_grad_norm(self.ragged, self.head).double().square()

    def sketch(self, maps: TwoSided) -> Tensor:
        """Return the sketch (N, p, q)."""
        sketch_NK = head_sketch(self.ragged, self.head, maps)
        return sketch_NK.reshape(len(sketch_NK), maps.left_OP.shape[1], maps.right_IQ.shape[1])

    def inner(self, lookup: Lookup) -> Tensor:
        """Return the inner product (N,) with the embedding's share: `Σ_{s,t} e_s[id_t] ⟨h_s, r_t⟩ / S`.

        Errors e = softmax − onehot are needed at the ids of the example only, and logits of the whole vocabulary only
        for their log-sum-exp, one chunk of tokens at a time.
        """
        ragged, head = self.ragged, self.head
        rows_R = chunks(len(ragged.target_R), len(head.weight_VD), ragged.hidden_RD.device)
        lse_R = torch.cat([torch.logsumexp(head.logits(ragged.hidden_RD[rows]), -1) for rows in rows_R])
        hidden_NSD, lse_NS, target_NS = map(ragged.padded, (ragged.hidden_RD, lse_R, ragged.target_R))
        width = lookup.ids_BT.shape[1] * (hidden_NSD.shape[1] + hidden_NSD.shape[2])
        inner = []
        for part in chunks(len(hidden_NSD), width, lse_R.device):
            ids_NT, right_NTD = lookup.ids_BT[part], lookup.right_BTI[part]
            error_NST = _errors_at(head, hidden_NSD[part], lse_NS[part], target_NS[part], ids_NT)
            # Behind an example's response its hidden states are zero, and so is their inner product with anything.
            inner_NST = torch.bmm(wide(hidden_NSD[part]), wide(right_NTD).mT)
            inner.append((error_NST * inner_NST).sum((1, 2)))
        return torch.cat(inner) / ragged.lengths_B

    def weighted_sum(self, weight_N: Tensor) -> Tensor:
        """Return `Σ_i weight_i · gradient_i` (V, D)."""
        weight_VD = self.head.weight_VD.detach().requires_grad_()
        chosen_R = weight_N[self.ragged.row_R] != 0
        with torch.enable_grad():
            head = Head(weight_VD, self.head.bias_V, self.head.softcap)
            nll_R = token_nll(self.ragged.hidden_RD[chosen_R], head, self.ragged.target_R[chosen_R])
            share_R = (weight_N.to(nll_R) / self.ragged.lengths_B)[self.ragged.row_R[chosen_R]]
            return wide(torch.autograd.grad((nll_R * share_R).sum(), weight_VD)[0])


def _errors_at(head: Head, hidden_NSD: Tensor, lse_NS: Tensor, target_NS: Tensor, ids_NT: Tensor) -> Tensor:
    """Return the gradient (N, S, T) of the NLL of each response token with respect to `h Wᵀ` at some ids."""
    logits_NST = wide(torch.bmm(hidden_NSD.to(head.weight_VD.dtype), head.weight_VD[ids_NT].mT))
    if head.bias_V is not None:
        logits_NST = logits_NST + wide(head.bias_V)[ids_NT][:, None]
    if head.softcap is not None:
        logits_NST = head.softcap * torch.tanh(logits_NST / head.softcap)
    error_NST = torch.exp(logits_NST - lse_NS[..., None]) - (ids_NT[:, None] == target_NS[..., None]).to(logits_NST)
    return error_NST if head.softcap is None else error_NST * (1 - (logits_NST / head.softcap) ** 2)
