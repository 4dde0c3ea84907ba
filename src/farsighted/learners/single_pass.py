"""A step from the scoring pass: the update of the chosen rows, put together from what the pass left.

With the gradients of each candidate's own loss at hand, the gradient of the mini-batch is a weighted sum of them. That
holds where scoring and training compute the same function, so not under dropout. A forward-scored selector has no such
short cut: its scoring pass would have to be run with gradients, and the backward pass over the chosen rows alone would
need the saved activations of these rows cut out of the graph, which torch offers no public way to do (a graph checks
that a gradient has the shape of the whole batch). A backward over the whole graph with zeros for the rejected rows
costs K passes over all candidates, more than the second forward that it spares for b < K/(1+K).

Shape letters: N candidates, M rows of a step, K sketch.

*Reference:* definitions.md#cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from farsighted.core.errors import DivergedError
from farsighted.core.values import Tokens
from farsighted.models.loading import LanguageModel
from farsighted.signals.kept import KeptGradients


@dataclass(frozen=True, slots=True, eq=False)
class KeptPass:
    """One forward and backward pass over some of the candidates."""

    gradients: KeptGradients
    """Of each example's mean response NLL."""
    nll_B: np.ndarray
    """Mean response NLL, nats."""
    sketch_BK: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class KeptBatch:
    """All passes over a batch of candidates."""

    batch: Sequence[Tokens]
    rows: Sequence[np.ndarray]
    """Row numbers of each pass."""
    passes: Sequence[KeptPass]

    def mean_nll(self, rows_M: np.ndarray) -> float:
        """Return the mean NLL per response token of some rows; raises `DivergedError` where it is not finite."""
        nll_M = self._in_order([part.nll_B for part in self.passes])[rows_M]
        if not np.isfinite(nll_M).all():
            bad = rows_M[~np.isfinite(nll_M)]
            raise DivergedError.naming(
                "The training loss is not finite", [self.batch[int(row)].example.id for row in bad]
            )
        return float(nll_M.astype(np.float64) @ self._share(rows_M))

    def sketch(self, rows_M: np.ndarray) -> np.ndarray:
        """Return the gradient sketches (M, K) of some rows."""
        sketch_MK: np.ndarray = self._in_order([part.sketch_BK for part in self.passes])[rows_M]
        return sketch_MK

    def gradient(self, rows_M: np.ndarray, weight_M: np.ndarray) -> dict[str, Tensor]:
        """Return the gradient, by parameter, of the mean NLL per response token of some rows, each times its weight."""
        weight_N = np.zeros(len(self.batch))
        weight_N[rows_M] = self._share(rows_M) * weight_M
        total: dict[str, Tensor] = {}
        for rows, part in zip(self.rows, self.passes, strict=True):
            if weight_N[rows].any():
                for name, term in part.gradients.weighted_sum(torch.from_numpy(weight_N[rows]).float()).items():
                    total[name] = total[name].add_(term) if name in total else term
        return total

    def _share(self, rows_M: np.ndarray) -> np.ndarray:
        """What each row's mean is multiplied by: its share of the step's response tokens."""
        length_M = np.array([self.batch[int(row)].response_length for row in rows_M], dtype=np.float64)
        share_M: np.ndarray = length_M / length_M.sum()
        return share_M

    def _in_order(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        ordered_N: np.ndarray = np.concatenate(parts)[np.argsort(np.concatenate(self.rows))]
        return ordered_N


def has_dropout(lm: LanguageModel) -> bool:
    """Return whether a model computes something else in training than in scoring."""
    layers = any(isinstance(module, nn.Dropout) and module.p > 0 for module in lm.modules())
    return layers or _says_dropout(lm.config.to_dict())


def _says_dropout(config: Mapping[str, object]) -> bool:
    """Attention layers keep their dropout as a number, under a name with `drop` in it."""
    return any(
        _says_dropout(value) if isinstance(value, Mapping) else "drop" in str(name) and bool(value)
        for name, value in config.items()
    )
