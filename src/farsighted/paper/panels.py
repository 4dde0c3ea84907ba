"""The panels that only the paper's Figures 3 and 4 have: correlation, adaptation modes, task orders.

Letters: K selectors, O orders.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from scipy.stats import spearmanr

from farsighted.report.drawing import Labels
from farsighted.report.palette import FAINT, INK, Style
from farsighted.report.panels import axis_label, budget_lines, long_horizon, reach, say, scatter
from farsighted.results.lookup import mean_or_nan, number_of
from farsighted.results.metrics import METRICS
from farsighted.store.result_records import CellEntry, SummaryEntry, SummaryNumbers

_LONG: Final = METRICS["long_horizon"].column
_HATCHES: Final = ("", "/////", ".....", "xxxxx", "-----", "ooooo")
"""Fillings of the bars, by adaptation mode; the first is full colour, the others are drawn on white."""
_UNMEASURED: Final = "#dddddd"


class Lead(NamedTuple):
    """How far one selector is ahead of the best other one in one group, by long-horizon score."""

    selector: str
    margin: float
    """Difference of the means over seeds; negative where another selector is ahead."""
    first: int
    """Seeds in which it has the highest score."""
    seeds: int
    """Seeds in which it has a score and another selector has one too."""


def why_alone(by_value: Mapping[str, Sequence[SummaryEntry]], axis: str) -> str | None:
    """Return why nothing can be compared along an axis of the grid, or None where two of its values have scores."""
    if len(by_value) == 1:
        return f"no other {axis} than {next(iter(by_value))} was run"
    scored = [any(number_of(entry, _LONG.key)["mean"] is not None for entry in found) for found in by_value.values()]
    if sum(scored) >= 2:
        return None
    without = [value for value, has in zip(by_value, scored, strict=True) if not has]
    return f"no long-horizon score for {axis}\n{', '.join(without)}"


def budgets(axes: Axes, by_budget: Mapping[str, Sequence[SummaryEntry]], style: Mapping[str, Style]) -> Labels:
    """Draw the long-horizon score over the budgets in the first one's unit, smallest first.

    A share and a number of tokens have no order on one axis, so budgets in another unit are left out.
    """
    unit = _amount(next(iter(by_budget)))[1]
    alike = sorted((budget for budget in by_budget if _amount(budget)[1] == unit), key=_amount)
    comparable = {budget: by_budget[budget] for budget in alike}
    reason = why_alone(comparable, "budget")
    if reason is None:
        return budget_lines(axes, comparable, style)
    axes.set_xlabel("Budget")
    axes.set_ylabel(axis_label(_LONG, "↑", "↓"))
    return say(axes, reason if len(alike) > 1 or len(by_budget) == 1 else f"no other budget in the unit of {alike[0]}")


def correlated(
    axes: Axes, entries: Sequence[SummaryEntry], keys: tuple[str, str], style: Mapping[str, Style]
) -> Labels:
    """Draw the scatter of two numbers, and write their rank correlation over the selectors into it.

    Reference rows are drawn, but take no part in the correlation.
    """
    write = scatter(axes, entries, keys, style)
    if not axes.lines:
        return write
    pairs = [[mean_or_nan(number_of(entry, key)) for key in keys] for entry in entries if not entry["reference"]]
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.16 * (high - low))
    note = _correlation([pair for pair in pairs if np.isfinite(pair).all()])
    axes.text(0.98, 0.98, note, transform=axes.transAxes, ha="right", va="top", color=INK)
    return write


def adaptation_bars(
    axes: Axes, by_adaptation: Mapping[str, Sequence[SummaryEntry]], style: Mapping[str, Style]
) -> Labels:
    """Draw the long-horizon score of every selector under each adaptation mode, with intervals; best on top.

    The legend says how far the best selector is from the worst under each mode. Reference rows are in brackets, and do
    not count for that.
    """
    axes.set_xlabel(axis_label(_LONG, "→", "←"))
    axes.set_ylabel("Selector")
    reason = why_alone(by_adaptation, "adaptation mode")
    if reason is not None:
        return say(axes, reason)
    found = {mode: {name: long_horizon(entries, name) for name in style} for mode, entries in by_adaptation.items()}
    first = next(iter(found.values()))
    names = sorted(style, key=lambda name: (first[name] is None, -mean_or_nan(first[name]) if first[name] else 0.0))
    height = 0.8 / len(found)
    for number, scores in enumerate(found.values()):
        for row, name in enumerate(names):
            place = row + (number - (len(found) - 1) / 2) * height
            _bar(axes, scores[name], (place, 0.92 * height), (style[name].colour, _HATCHES[number % len(_HATCHES)]))
    written = _names(style, next(iter(by_adaptation.values())))
    axes.set_yticks(range(len(names)), [written[name] for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlim(right=1.5 * max(axes.get_xlim()[1], 0.0) or None)
    _legend(axes, {mode: _spread(entries) for mode, entries in by_adaptation.items()})
    return _nothing_more


def lead(entries: Sequence[SummaryEntry], cells: Sequence[CellEntry]) -> Lead | None:
    """Return the lead of LHAS in one group, or of the first selector where no LHAS was run; reference rows apart.

    None where LHAS has no long-horizon score, or nobody else has one. Of several LHAS the one named `lhas` counts, or
    else the first.
    """
    judged = [entry for entry in entries if not entry["reference"]]
    found = {entry["selector"]: mean_or_nan(number_of(entry, _LONG.key)) for entry in judged}
    means = {name: mean for name, mean in found.items() if not np.isnan(mean)}
    ours = [entry["selector"] for entry in judged if entry["family"] == "lhas"]
    if len(means) < 2 or (ours and not means.keys() & ours):
        return None
    candidates = [own for own in ours if own in means] or sorted(means, key=lambda key: -means[key])
    name = "lhas" if "lhas" in candidates else candidates[0]
    best_other = max(mean for other, mean in means.items() if other != name)
    firsts = _firsts(name, [cell for cell in cells if cell["selector"] in means])
    return Lead(name, means[name] - best_other, sum(firsts), len(firsts))


def order_map(
    axes: Axes,
    by_order: Mapping[str, Sequence[SummaryEntry]],
    leads: Mapping[str, Lead | None],
    style: Mapping[str, Style],
) -> Labels:
    """Draw the long-horizon score of selectors (rows) over stage orders (columns), the best of each order framed.

    Reference rows are in brackets and never framed. The last line is the lead of LHAS over the best other selector,
    with the share of seeds in which LHAS is first.
    """
    axes.set_xlabel(f"Stage order (cells: {_LONG.label.lower()}, brighter = better)")
    axes.set_ylabel("Selector")
    reason = why_alone(by_order, "order")
    if reason is not None:
        return say(axes, reason)
    found = [[long_horizon(entries, name) for entries in by_order.values()] for name in style]
    score_KO = np.array([[mean_or_nan(score) for score in row] for row in found])
    colours = mpl.colormaps["cividis"].with_extremes(bad=_UNMEASURED)
    axes.imshow(np.ma.masked_invalid(score_KO), cmap=colours, aspect="auto")
    _write_cells(axes, score_KO)
    rows = _names(style, next(iter(by_order.values())))
    _frame_best(axes, score_KO, [name == written for name, written in rows.items()])
    _write_leads(axes, list(leads.values()), len(style))
    axes.set_yticks([*range(len(rows)), len(rows) + 0.15], [*rows.values(), _lead_label(leads)])
    bare = ["" if np.isfinite(column).any() else "\n(no score)" for column in score_KO.T]
    columns = [order.replace(">", " >\n") + note for order, note in zip(by_order, bare, strict=True)]
    axes.set_xticks(range(len(columns)), columns)
    axes.set_ylim(len(rows) + 0.75, -0.5)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return _nothing_more


def _nothing_more() -> None:
    """The labels of a panel whose names are on its axes."""


def _amount(budget: str) -> tuple[float, str]:
    """The number and the unit of a budget.

    >>> _amount("25% examples"), _amount("5000 tokens")
    ((25.0, '% examples'), (5000.0, 'tokens'))
    """
    number, _, unit = budget.replace("%", " %").partition(" ")
    return float(number), unit


def _correlation(pairs: Sequence[Sequence[float]]) -> str:
    """Spearman's rank correlation in words."""
    if len(pairs) < 3:
        return f"no Spearman ρ: it needs 3 selectors, here {len(pairs)}"
    if any(len(set(values)) == 1 for values in zip(*pairs, strict=True)):
        return "no Spearman ρ: one of the two is the same for all"
    rho = float(spearmanr([x for x, _ in pairs], [y for _, y in pairs]).statistic)
    return f"Spearman ρ = {_signed(rho, 2)}, {len(pairs)} selectors"


def _bar(axes: Axes, score: SummaryNumbers | None, place: tuple[float, float], look: tuple[str, str]) -> None:
    """One bar at (middle, height), in (colour, hatch), with its interval; a dash where there is no score."""
    middle, height = place
    colour, hatch = look
    if score is None:
        axes.text(0.0, middle, " – not measured", va="center", fontsize=7, color=FAINT)
        return
    fill = "white" if hatch else colour
    axes.barh(middle, mean_or_nan(score), height, color=fill, edgecolor=colour, hatch=hatch, lw=0.8, alpha=0.85)
    axes.errorbar(mean_or_nan(score), middle, xerr=reach(score), fmt="none", ecolor=INK, lw=1)


def _spread(entries: Sequence[SummaryEntry]) -> float | None:
    scores = [number_of(entry, _LONG.key)["mean"] for entry in entries if not entry["reference"]]
    known = [score for score in scores if score is not None]
    return max(known) - min(known) if len(known) > 1 else None


def _legend(axes: Axes, spreads: Mapping[str, float | None]) -> None:
    handles = []
    for number, (mode, spread) in enumerate(spreads.items()):
        hatch = _HATCHES[number % len(_HATCHES)]
        label = mode if spread is None else f"{mode} ({spread:.{_LONG.digits}f})"
        handles.append(Patch(facecolor="white" if hatch else FAINT, edgecolor=FAINT, hatch=hatch, label=label))
    title = "adaptation mode\n(best − worst)"
    axes.legend(handles=handles, title=title, loc="lower right", fontsize=8, title_fontsize=8, frameon=False)


def _firsts(name: str, cells: Sequence[CellEntry]) -> list[bool]:
    """For every seed that the selector and another one have: whether the selector has the highest score."""
    by_seed: dict[int, dict[str, float]] = {}
    for cell in cells:
        score = cell["metrics"][_LONG.key]
        if score is not None:
            by_seed.setdefault(cell["seed"], {})[cell["selector"]] = score
    shared = [scores for scores in by_seed.values() if name in scores and len(scores) > 1]
    return [scores[name] > max(score for other, score in scores.items() if other != name) for scores in shared]


def _write_cells(axes: Axes, score_KO: np.ndarray) -> None:
    middle = (np.nanmin(score_KO) + np.nanmax(score_KO)) / 2
    for (row, column), score in np.ndenumerate(score_KO):
        text = f"{score:.{_LONG.digits}f}" if np.isfinite(score) else "–"
        colour = "white" if score < middle else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)


def _frame_best(axes: Axes, score_KO: np.ndarray, judged: Sequence[bool]) -> None:
    ranked_KO = np.where(np.array(judged)[:, None] & np.isfinite(score_KO), score_KO, -np.inf)
    for column, row in enumerate(ranked_KO.argmax(axis=0)):
        if np.isfinite(ranked_KO[row, column]):
            frame = Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor="#D55E00", lw=2)
            axes.add_patch(frame)


def _write_leads(axes: Axes, leads: Sequence[Lead | None], row: int) -> None:
    for column, found in enumerate(leads):
        text = "–" if found is None else f"{_signed(found.margin, _LONG.digits)}\n{found.first} of {found.seeds} seeds"
        axes.text(column, row + 0.15, text, ha="center", va="center", fontsize=8.5, color=INK)


def _lead_label(leads: Mapping[str, Lead | None]) -> str:
    names = {found.selector for found in leads.values() if found is not None}
    if len(names) != 1:
        return "first − second;\nfirst in"
    name = names.pop()
    return f"{name} − best other;\n{name} first in"


def _signed(number: float, digits: int) -> str:
    """A number with its sign; the minus is as long as those on the axes."""
    return f"{number:+.{digits}f}".replace("-", "−")


def _names(style: Mapping[str, Style], entries: Sequence[SummaryEntry]) -> dict[str, str]:
    """The selectors' names on an axis: a reference row in brackets."""
    outside = {entry["selector"] for entry in entries if entry["reference"]}
    return {name: f"({name})" if name in outside else name for name in style}
