"""The paper's Figures 2, 3 and 4, drawn from the results of an audit with the same panels.

Where the audit lacks what a panel compares, the panel says what was not run.
"""

from typing import Final, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from farsighted.paper import panels as paper_panels
from farsighted.report import panels
from farsighted.report.drawing import LOOK, finished, pictures, sheet
from farsighted.report.figures import group_style, now_and_later
from farsighted.results.lookup import GroupKey, cells, group_keys, slug, summaries, title
from farsighted.store.result_records import ResultsRecord, SummaryEntry

_MAIN: Final = GroupKey("canonical", "25%", "lora")
"""The setting of the paper's Table 1."""


@mpl.rc_context(LOOK)
def paper_figures(results: ResultsRecord) -> dict[str, bytes]:
    """Return the paper's figures for the main group of a results value: file name to content, as SVG and PNG."""
    group = main_group(results)
    name = slug(*group)
    return {
        **pictures(f"figure2_{name}", now_and_later(results, group)),
        **pictures(f"figure3_{name}", figure_3(results, group)),
        **pictures(f"figure4_{name}", figure_4(results, group)),
    }


def main_group(results: ResultsRecord) -> GroupKey:
    """Return the group that is nearest to the paper's Table 1: canonical order, 25 %, LoRA, or else the first of each.

    Raises:
        ValueError: a results value without any group.
    """
    nearness = {key: [own == main for own, main in zip(key, _MAIN, strict=True)] for key in group_keys(results)}
    if not nearness:
        raise ValueError("A results value must hold at least one planned selector, but `summary` is empty.")
    return max(nearness, key=lambda key: nearness[key])


@mpl.rc_context(LOOK)
def figure_3(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return the counterpart of the paper's Figure 3: budgets, diagnostics, adaptation modes, balanced capability.

    Each panel varies one axis of the grid and keeps the others as in `group`.
    """
    entries, style = summaries(results, group), group_style(results, group)
    modes = _along(results, group, "adaptation")
    height = max(8.2, 0.48 * len(entries), 2 * (1.4 + 0.12 * len(entries) * len(modes)))
    figure, axes = sheet(f"{results['title']}: {title(group)}", (11, height), 2, 2)
    heads = (
        "(a) Budgets",
        "(b) Entropy and concentration",
        "(c) Adaptation modes",
        "(d) Worst task and forward transfer",
    )
    for panel, head in zip(axes.flat, heads, strict=True):
        panel.set_title(head)
    labels = [
        paper_panels.budgets(axes[0, 0], _along(results, group, "budget"), style),
        paper_panels.correlated(axes[0, 1], entries, ("capability_entropy", "update_concentration"), style),
        paper_panels.adaptation_bars(axes[1, 0], modes, style),
        panels.scatter(axes[1, 1], entries, ("worst_task", "forward_transfer"), style),
    ]
    return finished(figure, labels)


@mpl.rc_context(LOOK)
def figure_4(results: ResultsRecord, group: GroupKey) -> Figure:
    """Return the counterpart of the paper's Figure 4: task orders, and concentration against forgetting."""
    entries, style = summaries(results, group), group_style(results, group)
    orders = _along(results, group, "order")
    leads = {
        order: paper_panels.lead(found, cells(results, group._replace(order=order))) for order, found in orders.items()
    }
    size = (max(12.0, 2 * (1.8 + 0.95 * len(orders))), max(5.2, 1.7 + 0.38 * len(entries)))
    figure, axes = sheet(f"{results['title']}: {title(group)}", size, 1, 2)
    for panel, head in zip(axes.flat, ("(a) Task orders", "(b) Concentration and forgetting"), strict=True):
        panel.set_title(head)
    labels = [
        paper_panels.order_map(axes[0, 0], orders, leads, style),
        paper_panels.correlated(axes[0, 1], entries, ("update_concentration", "forgetting"), style),
    ]
    return finished(figure, labels)


def _along(
    results: ResultsRecord, group: GroupKey, axis: Literal["order", "budget", "adaptation"]
) -> dict[str, list[SummaryEntry]]:
    """The groups that differ from this one along one axis at most, by their value there, this one's first."""
    values = [
        getattr(key, axis) for key in group_keys(results) if key._replace(**{axis: getattr(group, axis)}) == group
    ]
    ordered = sorted(values, key=lambda value: value != getattr(group, axis))
    return {value: summaries(results, group._replace(**{axis: value})) for value in ordered}
