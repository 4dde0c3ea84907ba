"""The figures of a report, as SVG and PNG; the same results give the same bytes of SVG."""

import math
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from farsighted.report import panels
from farsighted.report.drawing import LOOK, finished, pictures, sheet
from farsighted.report.palette import Style, styles
from farsighted.results.lookup import GroupKey, cells, group_keys, myopia_entry, slug, summaries, title
from farsighted.results.over_seeds import mean_matrix
from farsighted.store.result_records import ResultsRecord


@mpl.rc_context(LOOK)
def figures(results: ResultsRecord) -> dict[str, bytes]:
    """Return every figure of a results value: file name below the audit's folder to content."""
    found: dict[str, bytes] = {}
    style = styles(results["summary"], results["reference"])
    for group in group_keys(results):
        name = slug(*group)
        found |= pictures(f"figures/figure2_{name}", now_and_later(results, group))
        found |= pictures(f"figures/ranks_{name}", ranks(results, group))
        found |= pictures(f"figures/concentration_{name}", concentration(results, group))
        found |= pictures(f"figures/matrices_{name}", matrices(results, group))
    for order, adaptation in dict.fromkeys((group.order, group.adaptation) for group in group_keys(results)):
        found |= _budgets(results, order, adaptation, style)
    return found


@mpl.rc_context(LOOK)
def now_and_later(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return a group on one sheet: rank reversal, next-stage learning, trade-off, rank gap."""
    entries, style = summaries(results, group), group_style(results, group)
    figure, axes = sheet(f"{results['title']}: {title(group)}", (11, max(8.2, 0.48 * len(entries))), 2, 2)
    heads = (
        "(a) Now and later",
        "(b) Learning the next stage",
        "(c) Robustness and forgetting",
        "(d) Myopia gap",
    )
    for panel, head in zip(axes.flat, heads, strict=True):
        panel.set_title(head)
    labels = [
        panels.scatter(axes[0, 0], entries, ("current", "future_auc"), style),
        panels.learning_curves(axes[0, 1], cells(results, group), style),
        panels.scatter(axes[1, 0], entries, ("forgetting", "ood"), style),
        panels.gap_bars(axes[1, 1], myopia_entry(results, group)),
    ]
    return finished(figure, labels)


@mpl.rc_context(LOOK)
def ranks(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return the bump chart: rank by immediate gain against rank by long-horizon score."""
    style = group_style(results, group)
    figure, axes = sheet(f"Rank reversal: {title(group)}", (6.5, max(5, 0.24 * len(style))), 1, 1)
    return finished(figure, [panels.bump(axes[0, 0], myopia_entry(results, group), style)])


@mpl.rc_context(LOOK)
def concentration(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return the mechanism in one view: update concentration against forgetting."""
    figure, axes = sheet(f"Concentration and forgetting: {title(group)}", (6.5, 5), 1, 1)
    keys = ("update_concentration", "forgetting")
    return finished(figure, [panels.scatter(axes[0, 0], summaries(results, group), keys, group_style(results, group))])


@mpl.rc_context(LOOK)
def matrices(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return the score matrix of every selector as a heat map, mean over the seeds that finished, on one scale."""
    means = {name: mean_matrix(results, group, name) for name in group_style(results, group)}
    shown = {name: found for name, found in means.items() if found is not None}
    columns = min(len(shown), 4) or 1
    lines = math.ceil(len(shown) / columns) or 1
    stages = max((len(names) for names, _ in shown.values()), default=1)
    size = (1.4 + columns * (1.0 + 0.42 * stages), 0.9 + lines * (1.1 + 0.3 * stages))
    figure, axes = sheet(f"Score matrices: {title(group)}", (max(size[0], 5), size[1]), lines, columns)
    if not shown:
        return finished(figure, [panels.say(axes[0, 0], "no cell has finished")])
    scores = np.concatenate([matrix.ravel() for _, matrix in shown.values()])
    limits = (float(np.nanmin(scores)), float(np.nanmax(scores)))
    for panel, (name, (names, matrix)) in zip(axes.flat, shown.items(), strict=False):
        image = panels.heat_map(panel, matrix, names, limits)
        panel.set_title(name)
    for number, panel in enumerate(axes.flat):
        if number % columns and number < len(shown):
            panel.set_yticklabels([])
        panel.set_visible(number < len(shown))
    figure.colorbar(image, ax=axes, shrink=0.8, aspect=20 * lines, label="Score", pad=0.01)
    return finished(figure, [])


def group_style(results: ResultsRecord, group: GroupKey) -> dict[str, Style]:
    """Return the styles of a group's selectors, the same as in every other group of the audit."""
    style = styles(results["summary"], results["reference"])
    return {entry["selector"]: style[entry["selector"]] for entry in summaries(results, group)}


def _budgets(results: ResultsRecord, order: str, adaptation: str, style: Mapping[str, Style]) -> dict[str, bytes]:
    """The long-horizon score over budgets, where the audit has several."""
    groups = [group for group in group_keys(results) if (group.order, group.adaptation) == (order, adaptation)]
    if len(groups) < 2:
        return {}
    figure, axes = sheet(f"Long-horizon score by budget: order {order}, {adaptation}", (7.5, 5), 1, 1)
    by_budget = {group.budget: summaries(results, group) for group in groups}
    labels = panels.budget_lines(axes[0, 0], by_budget, style)
    return pictures(f"figures/budgets_{slug(order, adaptation)}", finished(figure, [labels]))
