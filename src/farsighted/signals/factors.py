"""Per-example gradients of one parameter, held as factors: norms and sketches without the gradient itself.

Shape letters: B examples, T positions of an example (padded; pads carry zero gradient), O × I the parameter's shape,
p × q the shape of a sketch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from farsighted.signals.logits import chunks, wide
from farsighted.signals.sketch import SketchSum, TwoSided, project

ModuleKind = Literal["linear", "embedding", "norm"]


@dataclass(frozen=True, slots=True, eq=False)
class Outer:
    """`Σ_t left_t right_tᵀ`: the weight of a linear layer, left = output gradient, right = input."""

    left_BTO: Tensor
    right_BTI: Tensor

    def compact(self) -> "Outer | Product":
        """Return the O × I product of each example where it is no larger than its factors, else the factors.

        So it is for LoRA, whose r × I and O × r products are the cheapest way to everything: T·r·I multiplications,
        and norm and sketch of the product next to none.
        """
        positions, rows = self.left_BTO.shape[1:]
        columns = self.right_BTI.shape[2]
        if rows * columns > positions * (rows + columns):
            return self
        return Product(torch.bmm(wide(self.left_BTO).mT, wide(self.right_BTI)))

    def squared_norm(self) -> Tensor:
        """Return the squared Frobenius norm (B,), exactly: `Σ_{s,t} ⟨l_s, l_t⟩⟨r_s, r_t⟩`, T²·(O + I) multiplications.

        The O × I product is never formed: where it is the cheaper way, `compact` has taken it.
        """
        positions, rows = self.left_BTO.shape[1:]
        width = max(2 * positions**2, positions * (rows + self.right_BTI.shape[2]))
        norms = []
        for part in chunks(len(self.left_BTO), width, self.left_BTO.device):
            left, right = wide(self.left_BTO[part]), wide(self.right_BTI[part])
            norms.append((torch.bmm(left, left.mT) * torch.bmm(right, right.mT)).sum((1, 2)).clamp_min(0))
        return torch.cat(norms)

    def add_sketch(self, total: SketchSum, maps: TwoSided) -> None:
        """Add the sketch (B, p, q)."""
        total.add(maps.of_outer(self.left_BTO, self.right_BTI))


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """The gradient of each example, as it is."""

    value_BOI: Tensor

    def squared_norm(self) -> Tensor:
        """Return the squared Frobenius norm (B,)."""
        norm_B: Tensor = torch.linalg.vector_norm(self.value_BOI, dim=(1, 2))
        return norm_B.square()

    def add_sketch(self, total: SketchSum, maps: TwoSided) -> None:
        """Add the sketch (B, p, q)."""
        total.add_products(maps, self.value_BOI)


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """`Σ_t onehot(id_t) right_tᵀ`: the weight of an embedding, right = output gradient."""

    ids_BT: Tensor
    right_BTI: Tensor

    def squared_norm(self) -> Tensor:
        """Return the squared Frobenius norm (B,): `Σ_{s,t} [id_s = id_t] ⟨r_s, r_t⟩`."""
        positions = self.ids_BT.shape[1]
        parts = []
        for part in chunks(len(self.ids_BT), 2 * positions**2, self.ids_BT.device):
            right, ids = wide(self.right_BTI[part]), self.ids_BT[part]
            same = ids[:, :, None] == ids[:, None, :]
            parts.append(torch.where(same, torch.bmm(right, right.mT), 0.0).sum((1, 2)).clamp_min(0))
        return torch.cat(parts)

    def add_sketch(self, total: SketchSum, maps: TwoSided) -> None:
        """Add the sketch (B, p, q)."""
        right_BTQ = project(self.right_BTI, maps.right_IQ)
        total.add(torch.bmm(maps.left_OP[self.ids_BT].to(right_BTQ.dtype).mT, right_BTQ))


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """The gradient of a parameter with one axis, as it is; sketched as an O × 1 matrix."""

    value_BO: Tensor

    def squared_norm(self) -> Tensor:
        """Return the squared norm (B,)."""
        return self.value_BO.square().sum(1)

    def add_sketch(self, total: SketchSum, maps: TwoSided) -> None:
        """Add the sketch (B, p, q)."""
        total.add_vectors(maps, self.value_BO)


@dataclass(frozen=True, slots=True, eq=False)
class Tied:
    """The sum of both: a weight that is an embedding in one place and a linear layer in another."""

    lookup: Lookup
    outer: Outer

    def squared_norm(self) -> Tensor:
        """Return the squared Frobenius norm (B,): those of the two, and twice their inner product.

        `⟨Σ_t onehot(id_t) r_tᵀ, Σ_s l_s h_sᵀ⟩ = Σ_{s,t} l_s[id_t] ⟨h_s, r_t⟩`.
        """
        left_BSO, right_BSI = wide(self.outer.left_BTO), wide(self.outer.right_BTI)
        index_BST = self.lookup.ids_BT[:, None].expand(-1, left_BSO.shape[1], -1)
        inner_BST = torch.bmm(right_BSI, wide(self.lookup.right_BTI).to(right_BSI.dtype).mT)
        inner_B = (left_BSO.gather(2, index_BST) * inner_BST).sum((1, 2))
        return (self.lookup.squared_norm() + self.outer.squared_norm() + 2 * inner_B).clamp_min(0)

    def add_sketch(self, total: SketchSum, maps: TwoSided) -> None:
        """Add the sketch (B, p, q): both parts under the same maps."""
        self.lookup.add_sketch(total, maps)
        self.outer.add_sketch(total, maps)


Factor = Outer | Product | Lookup | Vector | Tied


def combined(parts: Sequence[Factor]) -> Factor:
    """Return the sum of what one parameter got from several places or calls, in its cheapest form.

    Sums over positions are put together by laying the positions end to end.
    """
    outers = [part for part in parts if isinstance(part, Outer)]
    lookups = [part for part in parts if isinstance(part, Lookup)]
    vectors = [part for part in parts if isinstance(part, Vector)]
    if vectors:
        return Vector(torch.stack([part.value_BO for part in vectors]).sum(0))
    outer = (
        Outer(_end_to_end([o.left_BTO for o in outers]), _end_to_end([o.right_BTI for o in outers])) if outers else None
    )
    if not lookups and outer is not None:
        return outer.compact()
    lookup = Lookup(_end_to_end([part.ids_BT for part in lookups]), _end_to_end([part.right_BTI for part in lookups]))
    return lookup if outer is None else Tied(lookup, outer)


def kind_of(module: nn.Module) -> ModuleKind | None:
    """Return how a module's gradients are factored, or None where that is not known.

    A subclass with a forward of its own is not known: it may compute something else with the same weight.
    """
    if isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward:
        return "linear"
    if isinstance(module, nn.Embedding) and type(module).forward is nn.Embedding.forward:
        return "embedding" if module.max_norm is None and not module.scale_grad_by_freq else None
    parameters = dict(module.named_parameters(recurse=False))
    is_norm = type(module).__name__.endswith(_NORM_NAMES) and {"weight"} <= parameters.keys() <= {"weight", "bias"}
    return "norm" if is_norm and all(parameter.dim() == 1 for parameter in parameters.values()) else None


def factors_of(
    module: nn.Module, inputs: tuple[object, ...], options: Mapping[str, object], gradient: Tensor
) -> dict[str, Factor]:
    """Return the factored per-example gradients of a module's weight and bias.

    Args:
        module: a module of a known kind (`kind_of`).
        inputs: positional arguments of its forward; examples are the leading axis of the first one.
        options: keyword arguments of its forward.
        gradient: gradient with respect to its output.
    """
    first = inputs[0]
    assert isinstance(first, Tensor)
    gradient_BTO = gradient.reshape(len(gradient), -1, gradient.shape[-1])
    kind = kind_of(module)
    if kind == "embedding" and isinstance(module, nn.Embedding):
        ids_BT = first.reshape(len(gradient), -1)
        if module.padding_idx is not None:
            gradient_BTO = gradient_BTO.masked_fill((ids_BT == module.padding_idx)[..., None], 0.0)
        return {"weight": Lookup(ids_BT, gradient_BTO)}
    factors: dict[str, Factor] = {}
    if getattr(module, "bias", None) is not None:
        factors["bias"] = Vector(wide(gradient_BTO).sum(1))
    if kind == "linear":
        factors["weight"] = Outer(gradient_BTO, first.reshape(len(gradient), -1, first.shape[-1]))
    else:
        slope = _slope_of_norm(module, inputs, options).reshape(gradient_BTO.shape)
        factors["weight"] = Vector((wide(gradient_BTO) * wide(slope)).sum(1))
    return factors


_NORM_NAMES: Final = ("RMSNorm", "LayerNorm")


class _WithoutHooks(nn.Module):
    """Calls the forward of a module, and not its hooks."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: object, **options: object) -> object:
        return self.module.forward(*inputs, **options)


def _slope_of_norm(module: nn.Module, inputs: tuple[object, ...], options: Mapping[str, object]) -> Tensor:
    """Return ∂output/∂weight, elementwise.

    A norm is affine in its weight, so the slope is output(weight = 1) − output(weight = 0), whatever it normalises by
    and whether it multiplies by `weight` or by `1 + weight`.
    """
    bare = _WithoutHooks(module)
    weight = module.get_parameter("weight")
    values = (torch.full_like(weight, value) for value in (1.0, 0.0))
    one, zero = (torch.func.functional_call(bare, {"module.weight": value}, inputs, dict(options)) for value in values)
    slope: Tensor = one - zero
    return slope


def _end_to_end(values: Sequence[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.cat(list(values), dim=1)
