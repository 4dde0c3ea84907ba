"""What every figure is drawn with: one look, sheets of axes, and the same bytes of SVG for the same numbers."""

import io
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

Labels = Callable[[], None]
"""Writes the names of a panel once its axes have their final place."""

LOOK: Final = {
    # Without a fixed salt the ids of an SVG's elements are new in every run.
    "svg.hashsalt": "farsighted",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.formatter.use_mathtext": False,
}
_DPI: Final = 150


def sheet(heading: str, size: tuple[float, float], lines: int, columns: int) -> tuple[Figure, np.ndarray]:
    """Return a figure with a heading, and its axes (lines, columns); size in inches."""
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    FigureCanvasAgg(figure)
    figure.suptitle(heading, fontsize=11)
    return figure, figure.subplots(lines, columns, squeeze=False)


def finished(figure: Figure, labels: Sequence[Labels]) -> Figure:
    """Return the figure with its layout fixed and, after that, the labels written, whose places depend on it."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for write in labels:
        write()
    return figure


def pictures(name: str, figure: Figure) -> dict[str, bytes]:
    """Return the figure as SVG and PNG: name with suffix to content."""
    svg, png = io.BytesIO(), io.BytesIO()
    # `savefig` draws every figure twice, the first time for a layout that is settled here.
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": "farsighted"})
    figure.set_dpi(_DPI)
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": "farsighted"})
    return {f"{name}.svg": svg.getvalue(), f"{name}.png": png.getvalue()}
