"""The panels that figures are made of; each draws one question on one pair of axes.

A panel without data says so and why: an empty frame would look like a result. Letters: S stages scored, T tasks.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from farsighted.report.drawing import Labels
from farsighted.report.labels import Anchor, label_line_ends, label_points
from farsighted.report.palette import FAINT, FALLS, INK, RISES, Style
from farsighted.results.columns import Column
from farsighted.results.lookup import mean_or_nan, number_of
from farsighted.results.metrics import METRICS, all_rows
from farsighted.results.over_seeds import mean_curve
from farsighted.store.result_records import CellEntry, MyopiaEntry, SummaryEntry, SummaryNumbers


def scatter(axes: Axes, entries: Sequence[SummaryEntry], keys: tuple[str, str], style: Mapping[str, Style]) -> Labels:
    """Draw one point a selector: mean over seeds of two numbers, with their intervals."""
    columns = [all_rows()[key].column for key in keys]
    axes.set_xlabel(axis_label(columns[0], "→", "←"))
    axes.set_ylabel(axis_label(columns[1], "↑", "↓"))
    pairs = {entry["selector"]: [number_of(entry, key) for key in keys] for entry in entries}
    shown = {name: pair for name, pair in pairs.items() if all(number["mean"] is not None for number in pair)}
    if not shown:
        return say(axes, f"{columns[0].label} or {columns[1].label} was not measured")
    for name, (x, y) in shown.items():
        look = style[name]
        axes.errorbar(mean_or_nan(x), mean_or_nan(y), xerr=reach(x), yerr=reach(y), color=look.colour, alpha=0.35, lw=1)
        axes.plot(mean_or_nan(x), mean_or_nan(y), look.marker, color=look.colour, mfc=look.fill, ms=7, zorder=3)
    anchors = [Anchor(mean_or_nan(x), mean_or_nan(y), name) for name, (x, y) in shown.items()]
    axes.margins(0.1)
    return lambda: label_points(axes, anchors)


def learning_curves(axes: Axes, cells: Sequence[CellEntry], style: Mapping[str, Style]) -> Labels:
    """Draw how the next stage is learned: the neutral probe's score over its tokens, mean over stages and seeds."""
    axes.set_xlabel("Response tokens of the next stage (neutral probe)")
    axes.set_ylabel("Score on the next stage (better ↑)")
    means = {name: mean_curve(cells, name) for name in style}
    shown = {name: curve for name, curve in means.items() if curve is not None}
    if not shown:
        return say(axes, "no neutral probe was run:\nit needs a stage that follows")
    for name, (tokens, scores) in shown.items():
        look = style[name]
        axes.plot(tokens, scores, ls=look.line, marker=look.marker, ms=4, mfc=look.fill, color=look.colour, lw=1.6)
    longest = max(tokens[-1] for tokens, _ in shown.values())
    axes.set_xlim(-0.02 * longest, 1.38 * longest)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= longest])
    anchors = [Anchor(tokens[-1], scores[-1], name) for name, (tokens, scores) in shown.items()]
    return lambda: label_line_ends(axes, anchors)


def gap_bars(axes: Axes, entry: MyopiaEntry | None) -> Labels:
    """Draw the signed rank gap of every selector, its interval, and the size of its contribution to Eq. 3."""
    axes.set_xlabel("Signed rank gap: the rank rises later < 0 < it falls")
    if entry is None:
        return say(axes, "no seed that two selectors finished in full")
    bars = sorted(entry["selectors"].items(), key=lambda item: (item[1]["signed"], item[0]))
    place = np.arange(len(bars))
    signed = np.array([gap["signed"] for _, gap in bars])
    size = np.array([gap["contribution"] for _, gap in bars])
    colours = [FALLS if value > 0 else RISES for value in signed]
    axes.barh(place, signed, color=colours, alpha=0.85, height=0.62)
    for row, (_, gap) in zip(place, bars, strict=True):
        if gap["low"] is not None and gap["high"] is not None:
            axes.plot([gap["low"], gap["high"]], [row, row], color=INK, lw=1)
    label = "contribution to the family gap"
    axes.plot(np.where(signed < 0, -size, size), place, "D", color=INK, mfc="white", ms=5, label=label)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(place, [name for name, _ in bars])
    axes.set_xlim(-1.05, 1.05)
    axes.set_title(f"family gap {entry['family']:.2f}", loc="right", fontsize=9, fontweight="normal")
    axes.legend(loc="lower right", fontsize=7.5, frameon=False, handletextpad=0.2)
    return _no_labels


def bump(axes: Axes, entry: MyopiaEntry | None, style: Mapping[str, Style]) -> Labels:
    """Draw how ranks change from immediate gain to long-horizon score, mean over seeds, best on top."""
    if entry is None:
        return say(axes, "no seed that two selectors finished in full")
    for name, gap in entry["selectors"].items():
        look = style[name]
        ranks = [gap["rank_immediate"], gap["rank_long"]]
        axes.plot([0, 1], ranks, look.marker, ls=look.line, color=look.colour, ms=7, lw=2.2)
    count = len(entry["selectors"])
    axes.set_ylim(count + 0.5, 0.5)
    axes.set_xlim(-0.45, 1.45)
    axes.set_xticks([0, 1], ["rank by\nimmediate gain", "rank by\nlong-horizon score"])
    axes.set_yticks(range(1, count + 1))
    axes.set_ylabel("Mean rank over seeds (1 = best)")

    def write() -> None:
        gaps = entry["selectors"].items()
        label_line_ends(axes, [Anchor(0, gap["rank_immediate"], name) for name, gap in gaps], left=True)
        label_line_ends(axes, [Anchor(1, gap["rank_long"], name) for name, gap in gaps])

    return write


def budget_lines(axes: Axes, by_budget: Mapping[str, Sequence[SummaryEntry]], style: Mapping[str, Style]) -> Labels:
    """Draw the long-horizon score over budgets, with intervals; a budget without a score interrupts the line.

    The selectors are drawn a little apart, so that their intervals can be told apart.
    """
    axes.set_xlabel("Budget")
    axes.set_ylabel(axis_label(METRICS["long_horizon"].column, "↑", "↓"))
    anchors = []
    width = max(len(by_budget) - 1, 1)
    beside = np.linspace(-0.5, 0.5, len(style)) * min(0.12 * width, 0.24) if len(style) > 1 else [0.0]
    for shift, (name, look) in zip(beside, style.items(), strict=True):
        found = [long_horizon(entries, name) for entries in by_budget.values()]
        shown = [place for place, score in enumerate(found) if score is not None]
        if not shown:
            continue
        x = np.arange(len(found)) + shift
        y = [mean_or_nan(score) for score in found]
        for place in shown:
            axes.errorbar(x[place], y[place], yerr=reach(found[place]), fmt="none", ecolor=look.colour, alpha=0.4, lw=1)
        axes.plot(x, y, ls=look.line, marker=look.marker, mfc=look.fill, color=look.colour, ms=6, lw=1.8)
        anchors.append(Anchor(x[shown[-1]], y[shown[-1]], name))
    axes.set_xticks(range(len(by_budget)), list(by_budget))
    axes.set_xlim(-0.15 * width, 1.55 * width)
    return (lambda: label_line_ends(axes, anchors)) if anchors else say(axes, "no long-horizon score was measured")


def heat_map(axes: Axes, matrix_ST: np.ndarray, stages: Sequence[str], limits: tuple[float, float]) -> AxesImage:
    """Draw a score matrix: a row a model (base, after each stage), a column a validation set; grey = not evaluated.

    Returns the image, for the colour bar that several share.
    """
    image = axes.imshow(np.ma.masked_invalid(matrix_ST), cmap="cividis", vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_facecolor("#dddddd")
    axes.set_xticks(range(len(stages)), stages, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(stages) + 1), ["base", *(f"after {stage}" for stage in stages)])
    axes.tick_params(length=0, labelsize=7.5)
    middle = (limits[0] + limits[1]) / 2
    for (row, column), score in np.ndenumerate(matrix_ST):
        if np.isfinite(score):
            colour = "white" if score < middle else "black"
            axes.text(column, row, f"{score:.0f}", ha="center", va="center", fontsize=7.5, color=colour)
    for side in axes.spines.values():
        side.set_visible(False)
    return image


def say(axes: Axes, reason: str) -> Labels:
    """Write why there is nothing to draw."""
    axes.text(0.5, 0.5, f"Not drawn: {reason}.", transform=axes.transAxes, ha="center", va="center", color=FAINT)
    axes.set_xticks([])
    axes.set_yticks([])
    return _no_labels


def axis_label(column: Column, more: str, less: str) -> str:
    """Return a column's label with an arrow that points to the better side."""
    arrow = {"higher": more, "lower": less, None: None}[column.better]
    return column.label if arrow is None else f"{column.label} (better {arrow})"


def reach(number: SummaryNumbers | None) -> list[list[float]] | None:
    """Return the distances to the ends of the interval, or None where there is none.

    An end on the wrong side of the mean, as extremes have it, counts 0.
    """
    if number is None or number["low"] is None or number["high"] is None:
        return None
    mean = mean_or_nan(number)
    return [[max(mean - number["low"], 0.0)], [max(number["high"] - mean, 0.0)]]


def long_horizon(entries: Sequence[SummaryEntry], selector: str) -> SummaryNumbers | None:
    """Return the long-horizon score of a selector in a group, or None where it has none."""
    scores = [entry["metrics"]["long_horizon"] for entry in entries if entry["selector"] == selector]
    return next((score for score in scores if score["mean"] is not None), None)


def _no_labels() -> None:
    """The labels of a panel that needs none."""
