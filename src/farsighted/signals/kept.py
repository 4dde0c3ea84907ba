"""Per-example gradients that outlive their pass, so that a step on some of the examples needs no second one.

The gradient of a mini-batch is the weighted sum of its examples' gradients. A linear layer's is kept as its two
factors or as the product itself, whichever is smaller; the sum over chosen examples is then the weight gradient that a
backward pass over them alone would compute, one matrix product a parameter (definitions.md#cost).

Shape letters: B examples, M chosen ones, T positions, O × I a parameter's shape.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from farsighted.signals.factors import Lookup, Outer, Product, Vector, kind_of
from farsighted.signals.logits import wide
from farsighted.signals.tied import HeadPart

Part = Outer | Product | Lookup | Vector | HeadPart


@dataclass(frozen=True, slots=True, eq=False)
class KeptGradients:
    """Gradients of each example's mean response NLL, by parameter; see `PerExampleGradients(keep=True)`."""

    parts: Mapping[str, tuple[Part, ...]]
    """By parameter; several where it is used in several places."""
    shapes: Mapping[str, torch.Size]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(tensor.nbytes for parts in self.parts.values() for part in parts for tensor in _tensors(part))

    def weighted_sum(self, weight_B: Tensor) -> dict[str, Tensor]:
        """Return `Σ_i weight_i · gradient_i` by parameter, in the parameter's shape, in at least float32.

        Examples of weight 0 cost nothing. Equal to the gradient of a pass over the weighted loss up to rounding.
        """
        found = {}
        for name, parts in self.parts.items():
            terms = [_summed(part, weight_B, self.shapes[name]) for part in parts]
            total = terms[0] if len(terms) == 1 else torch.stack(terms).sum(0)
            found[name] = total.reshape(self.shapes[name])
        return found


def kept_bytes(model: nn.Module, examples: int, positions: int) -> int:
    """Return the bytes that keeping a pass over `examples` of `positions` tokens takes, at most."""
    total = 0
    for module in model.modules():
        kind = kind_of(module)
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                lookup = parameter.dim() > 1 and kind == "embedding"
                # Half precision is widened.
                size = max(4, parameter.element_size())
                total += _elements(parameter, positions, lookup=lookup) * size
    return total * examples


def _elements(parameter: nn.Parameter, positions: int, *, lookup: bool) -> int:
    if parameter.dim() == 1:
        return parameter.numel()
    rows, columns = parameter.shape[0], parameter[0].numel()
    if lookup:
        # Once as the embedding, and once more where it is the head too.
        return 2 * positions * (columns + 2)
    return min(rows * columns, positions * (rows + columns))


def _tensors(part: Part) -> tuple[Tensor, ...]:
    if isinstance(part, Outer):
        return part.left_BTO, part.right_BTI
    if isinstance(part, Lookup):
        return part.ids_BT, part.right_BTI
    if isinstance(part, HeadPart):
        return part.ragged.hidden_RD, part.ragged.target_R
    return (part.value_BO,) if isinstance(part, Vector) else (part.value_BOI,)


def _summed(part: Part, weight_B: Tensor, shape: torch.Size) -> Tensor:
    if isinstance(part, HeadPart):
        return part.weighted_sum(weight_B)
    (rows_M,) = torch.nonzero(weight_B, as_tuple=True)
    weight_M = weight_B[rows_M]
    if isinstance(part, Outer):
        left_MTO, right_MTI = wide(part.left_BTO[rows_M]), wide(part.right_BTI[rows_M])
        weighted_MTO = left_MTO * weight_M.to(left_MTO)[:, None, None]
        return weighted_MTO.flatten(0, 1).mT @ right_MTI.flatten(0, 1)
    if isinstance(part, Lookup):
        right_MTI = wide(part.right_BTI[rows_M])
        weighted_MTI = right_MTI * weight_M.to(right_MTI)[:, None, None]
        total_OI = weighted_MTI.new_zeros((shape[0], math.prod(shape[1:])))
        return total_OI.index_add_(0, part.ids_BT[rows_M].flatten(), weighted_MTI.flatten(0, 1))
    value = part.value_BO if isinstance(part, Vector) else part.value_BOI
    summed: Tensor = torch.tensordot(weight_M.to(value), value[rows_M], dims=1)
    return summed
