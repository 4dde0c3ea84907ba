"""Farthest-first traversal of points on any device: the products of `farsighted.sets.farthest` in torch.

Only products run on the device; bounds and bookkeeping are small and stay on the host. Shape letters: N points, M some
of them, T centres, H history, D width, U distinct points.
"""

import numpy as np
import torch
from torch import Tensor

from farsighted.sets.farthest import BLOCK_CELLS, distinct_order
from farsighted.sets.geometry import ROUNDING, first_rows
from farsighted.sets.greedy import Traversal


def farthest_first(points_ND: Tensor, history_HD: Tensor, picks: int | None = None) -> Traversal:
    """Return what `farsighted.sets.greedy.farthest_first` returns, with the products on the points' device.

    Args:
        points_ND: the candidates, any floating dtype.
        history_HD: everything selected earlier, on the same device; no elements where there is nothing.
        picks: how many are wanted; all by default.
    """
    count = len(points_ND)
    wanted = count if picks is None else min(picks, count)
    first_U = first_rows(points_ND.detach().double().cpu().numpy())
    points = TensorPoints(points_ND[torch.from_numpy(first_U).to(points_ND.device)], history_HD, wanted)
    mean_D = points_ND.double().mean(0)
    start = None if history_HD.numel() else points.farthest_from(mean_D)
    order, squared_N = distinct_order(points, start, first_U, count, wanted)
    distance_N = np.full(count, np.nan)
    distance_N[order] = np.sqrt(squared_N[order])
    return Traversal(order, distance_N)


class TensorPoints:
    """Points and centres as tensors on one device; see `farsighted.sets.farthest.Points`."""

    def __init__(self, points_ND: Tensor, history_HD: Tensor, picks: int) -> None:
        self._points_ND = points_ND.detach()
        self._narrow_ND = self._points_ND.float()
        self.width = points_ND.shape[1]
        norm_N = torch.cat([_squared_norms(part) for part in self._parts()])
        self._norm_N = norm_N
        self.squared_norm = norm_N.cpu().numpy()
        history_HD = history_HD.detach().reshape(-1, self.width).double()
        self.centres = len(history_HD)
        room = points_ND.new_zeros((picks, self.width), dtype=torch.float64)
        self._centre_TD = torch.cat([history_HD, room])
        self._narrow_TD = self._centre_TD.float()
        self._norm_T = _squared_norms(self._centre_TD)
        self._held_MD = self._centre_TD[:0]

    @property
    def largest_norm(self) -> float:
        """Largest squared norm of any point or centre."""
        return max(float(self._norm_N.max()), float(self._norm_T.max()))

    def farthest_from(self, place_D: Tensor) -> int:
        """Return the point farthest from a place; of equal ones the first."""
        away_N = torch.cat([_squared_norms(part.double() - place_D) for part in self._parts()])
        return int(np.argmax(away_N.cpu().numpy()))

    def add_centre(self, row: int) -> None:
        """Make a point a centre."""
        self._centre_TD[self.centres] = self._points_ND[row].double()
        self._narrow_TD[self.centres] = self._narrow_ND[row]
        self._norm_T[self.centres] = self._norm_N[row]
        self.centres += 1

    def bound(self, rows_M: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Return the largest `2⟨x, c⟩ − ‖c‖²` (M,) over centres start..stop, from float32 products."""
        block_MD = self._narrow_ND[self._index(rows_M)] * 2
        parts = [
            (block_MD @ self._narrow_TD[part].T - self._norm_T[part].float()).amax(1)
            for part in _slices(start, stop, len(rows_M))
        ]
        best_M: np.ndarray = torch.stack(parts).amax(0).double().cpu().numpy()
        return best_M

    def exact(self, rows_M: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the same from float64 products, and the centre it belongs to."""
        block_MD = self._points_ND[self._index(rows_M)].double() * 2
        slices = _slices(start, stop, len(rows_M))
        found = [(block_MD @ self._centre_TD[part].T - self._norm_T[part]).max(1) for part in slices]
        value_MS = np.stack([part.values.cpu().numpy() for part in found], axis=1)
        centre_MS = np.stack(
            [part.indices.cpu().numpy() + where.start for part, where in zip(found, slices, strict=True)], axis=1
        )
        best = value_MS.argmax(axis=1)[:, None]
        return np.take_along_axis(value_MS, best, 1)[:, 0], np.take_along_axis(centre_MS, best, 1)[:, 0]

    def hold(self, rows_M: np.ndarray) -> None:
        """Keep some points in float64 for `held_products`."""
        self._held_MD = self._points_ND[self._index(rows_M)].double()

    def held_products(self, row: int) -> np.ndarray:
        """Return `⟨x, x_row⟩` (M,) of the points held, from float64 products."""
        product_M: np.ndarray = (self._held_MD @ self._points_ND[row].double()).cpu().numpy()
        return product_M

    def pairwise(self, row: int, start: int, stop: int) -> np.ndarray:
        """Return squared distances (T,) of a point to centres start..stop, pair by pair."""
        norms_T = self._norm_N[row] + self._norm_T[start:stop]
        squared_T = norms_T - 2.0 * (self._centre_TD[start:stop] * self._points_ND[row].double()).sum(1)
        found_T: np.ndarray = torch.where(squared_T <= ROUNDING * norms_T, 0.0, squared_T).cpu().numpy()
        return found_T

    def _index(self, rows_M: np.ndarray) -> Tensor:
        return torch.from_numpy(rows_M).to(self._points_ND.device)

    def _parts(self) -> tuple[Tensor, ...]:
        return torch.split(self._points_ND, max(1, BLOCK_CELLS // self.width))


def _slices(start: int, stop: int, rows: int) -> list[slice]:
    step = max(1, BLOCK_CELLS // rows)
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]


def _squared_norms(rows_ND: Tensor) -> Tensor:
    return rows_ND.double().square().sum(1)
