"""Names next to what they name, without covering each other: in a scatter plot and at the ends of lines."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from farsighted.report.palette import FAINT, INK

FONT_SIZE: Final = 8.5
_LEADER: Final[dict[str, str | float]] = {"arrowstyle": "-", "color": FAINT, "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
_BESIDE: Final = ((6.0, 0.0), (5.0, 5.0), (0.0, 6.0), (-5.0, 5.0), (-6.0, 0.0), (-5.0, -5.0), (0.0, -6.0), (5.0, -5.0))
_OFFSETS: Final = (
    *_BESIDE,
    *(
        (round(radius * math.cos(eighth * math.pi / 8), 1), round(radius * math.sin(eighth * math.pi / 8), 1))
        for radius in (14, 22, 32, 44)
        for eighth in range(16)
    ),
)
"""Possible places of a label, in points from its anchor, nearest first."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A point with a name."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "_Box") -> float:
        """Area in common, in squared pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)


def label_points(axes: Axes, anchors: Sequence[Anchor]) -> None:
    """Write the name of every point beside it, each where it covers least of points, names and frame.

    The axes must have their final limits and place in the figure. Labels are placed one after the other, then all are
    placed again twice with the others in view; one that had to move away gets a thin line to its point.
    """
    figure = axes.figure
    unit = figure.dpi / 72
    extent = axes.get_window_extent()
    frame = _Box(extent.x0, extent.y0, extent.x1, extent.y1)
    pixels = axes.transData.transform([(anchor.x, anchor.y) for anchor in anchors]) if anchors else np.empty((0, 2))
    sizes = [_text_size(axes, anchor.text) for anchor in anchors]
    dots = [_around(x, y, 3.5 * unit) for x, y in pixels]
    chosen: dict[int, int] = {}
    boxes: dict[int, _Box] = {}
    for _, index in itertools.product(range(3), range(len(anchors))):
        others = [*dots, *(box for other, box in boxes.items() if other != index)]
        options = [_box(pixels[index], sizes[index], offset, unit) for offset in _OFFSETS]
        costs = [_cost(box, others, frame) + 0.2 * rank for rank, box in enumerate(options)]
        chosen[index] = int(np.argmin(costs))
        boxes[index] = options[chosen[index]]
    for index, anchor in enumerate(anchors):
        _annotate(axes, anchor, _OFFSETS[chosen[index]])


def label_line_ends(axes: Axes, anchors: Sequence[Anchor], *, left: bool = False, gap: float = 1.25) -> None:
    """Write the names of lines at their ends, moved apart as little as possible (least squares) to stay legible.

    `gap` is the distance of two labels in heights of text; it shrinks where the frame is too low for all of them. The
    axes must have their final limits and place.
    """
    if not anchors:
        return
    upward = -1 if axes.yaxis_inverted() else 1
    ordered = sorted(anchors, key=lambda anchor: (upward * anchor.y, anchor.text))
    pixels = axes.transData.transform([(anchor.x, anchor.y) for anchor in ordered])
    frame = axes.get_window_extent()
    step = min(gap * FONT_SIZE * axes.figure.dpi / 72, frame.height / max(len(ordered) - 1, 1))
    stack = step * np.arange(len(ordered))
    placed = isotonic_regression(pixels[:, 1] - stack).x + stack
    placed += max(frame.y0 - placed[0], 0) + min(frame.y1 - placed[-1], 0)
    side = -1 if left else 1
    for anchor, pixel, y in zip(ordered, pixels, placed, strict=True):
        shift = (y - pixel[1]) * 72 / axes.figure.dpi
        axes.annotate(
            anchor.text,
            (anchor.x, anchor.y),
            xytext=(10 * side, shift),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=FONT_SIZE,
            color=INK,
            annotation_clip=False,
            arrowprops={**_LEADER, "relpos": (1.0 if left else 0.0, 0.5)},
        )


def _text_size(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height in pixels."""
    probe = axes.text(0, 0, text, fontsize=FONT_SIZE, transform=None)
    extent = probe.get_window_extent()
    probe.remove()
    return extent.width, extent.height


def _around(x: float, y: float, radius: float) -> _Box:
    return _Box(x - radius, y - radius, x + radius, y + radius)


def _box(pixel: np.ndarray, size: tuple[float, float], offset: tuple[float, float], unit: float) -> _Box:
    """The place of a label whose near edge or corner is at the offset."""
    width, height = size
    x, y = pixel[0] + offset[0] * unit, pixel[1] + offset[1] * unit
    across, up = _direction(offset)
    left = x - width * (1 - across) / 2
    bottom = y - height * (1 - up) / 2
    return _Box(left, bottom, left + width, bottom + height)


def _direction(offset: tuple[float, float]) -> tuple[int, int]:
    """Whether a label is right (1), left (-1) or centred (0) of its point, and the same upwards."""
    near = 0.4 * math.hypot(*offset)
    across, up = (0 if abs(part) < near else int(math.copysign(1, part)) for part in offset)
    return across, up


def _cost(box: _Box, others: Sequence[_Box], frame: _Box) -> float:
    """What the label would cover, in squared pixels; to leave the frame costs most."""
    return sum(box.overlap(other) for other in others) + 5 * (box.area - box.overlap(frame))


def _annotate(axes: Axes, anchor: Anchor, offset: tuple[float, float]) -> None:
    far = max(map(abs, offset)) > 8
    across, up = _direction(offset)
    arrow = _LEADER if far else None
    axes.annotate(
        anchor.text,
        (anchor.x, anchor.y),
        xytext=offset,
        textcoords="offset points",
        ha={1: "left", 0: "center", -1: "right"}[across],
        va={1: "bottom", 0: "center", -1: "top"}[up],
        fontsize=FONT_SIZE,
        color=INK,
        arrowprops=arrow,
    )
