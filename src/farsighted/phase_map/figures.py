"""The map drawn: for each selector, its long-horizon difference to random over every pair of axes.

Shape letters: P points, B bins of an axis.
"""

import itertools
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from farsighted.phase_map.design import AXES
from farsighted.phase_map.map import PhaseMap
from farsighted.phase_map.verdicts import ERRORS
from farsighted.report.drawing import LOOK, finished, pictures, sheet
from farsighted.results.lookup import slug

BINS: Final = 4
"""Bins of an axis: sixteen in a panel, 18 points each on a full map, on average."""


class Binned(NamedTuple):
    """The points of a map over two axes; NaN in bins without the points that a number needs."""

    mean_BB: np.ndarray
    """Mean difference, row = second axis, from its low end up."""
    error_BB: np.ndarray
    """Standard error of the mean over points; needs two."""

    @property
    def marked(self) -> np.ndarray:
        """Bins whose mean exceeds two standard errors, (B, B)."""
        with np.errstate(invalid="ignore"):
            marked_BB: np.ndarray = np.abs(self.mean_BB) > ERRORS * self.error_BB
        return marked_BB


@mpl.rc_context(LOOK)
def figures(phase_map: PhaseMap) -> dict[str, bytes]:
    """Return one sheet a selector: file name below the map's folder to content, SVG and PNG."""
    found: dict[str, bytes] = {}
    for selector in phase_map.differences:
        found |= pictures(f"figures/map_{slug(selector)}", _sheet(phase_map, selector))
    return found


def binned(phase_map: PhaseMap, selector: str, across: str, up: str) -> Binned:
    """Return a selector's mean long-horizon difference over two axes."""
    later_P = phase_map.differences[selector].later_P
    places = [_bin(phase_map.parameters[name], name) for name in (across, up)]
    mean_BB, error_BB = np.full((2, BINS, BINS), np.nan)
    for column, row in itertools.product(range(BINS), repeat=2):
        values = later_P[(places[0] == column) & (places[1] == row) & np.isfinite(later_P)]
        if len(values):
            mean_BB[row, column] = values.mean()
        if len(values) > 1:
            error_BB[row, column] = values.std(ddof=1) / np.sqrt(len(values))
    return Binned(mean_BB, error_BB)


def _sheet(phase_map: PhaseMap, selector: str) -> Figure:
    pairs = list(itertools.combinations(AXES, 2))
    parts = {pair: binned(phase_map, selector, *pair) for pair in pairs}
    means = np.array([part.mean_BB for part in parts.values()])
    known = np.abs(means[np.isfinite(means)])
    limit = float(known.max()) if len(known) else 1.0
    heading = (
        f"{selector}: long-horizon score minus that of random selection, {phase_map.points} worlds "
        "(+ and - where it exceeds two standard errors)"
    )
    figure, axes = sheet(heading, (15, 6), 2, 5)
    for panel, (pair, part) in zip(axes.flat, parts.items(), strict=True):
        image = _panel(panel, pair, part, limit or 1.0)
    figure.colorbar(image, ax=axes, shrink=0.8, label="Difference (better ↑)", pad=0.01)
    return finished(figure, [])


def _panel(axes: Axes, pair: tuple[str, str], part: Binned, limit: float) -> AxesImage:
    """Draw one pair of axes; grey = no point. Returns the image."""
    across, up = (AXES[name] for name in pair)
    extent = (across.low, across.high, up.low, up.high)
    image = axes.imshow(
        np.ma.masked_invalid(part.mean_BB),
        cmap="PuOr_r",
        vmin=-limit,
        vmax=limit,
        origin="lower",
        extent=extent,
        aspect="auto",
    )
    axes.set_facecolor("#bbbbbb")
    axes.set_xlabel(f"{across.label}{' (%)' if across.unit else ''}")
    axes.set_ylabel(f"{up.label}{' (%)' if up.unit else ''}")
    for row, column in zip(*np.nonzero(part.marked), strict=True):
        x = across.low + (across.high - across.low) * (column + 0.5) / BINS
        y = up.low + (up.high - up.low) * (row + 0.5) / BINS
        sign = "+" if part.mean_BB[row, column] > 0 else "-"
        axes.text(x, y, sign, ha="center", va="center", fontsize=13, fontweight="bold")
    return image


def _bin(values_P: np.ndarray, name: str) -> np.ndarray:
    axis = AXES[name]
    share_P = (values_P - axis.low) / (axis.high - axis.low)
    return np.clip((share_P * BINS).astype(np.intp), 0, BINS - 1)
