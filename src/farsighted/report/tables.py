"""The tables of a report: the main one, verdicts, metrics and diagnostics in full, raw measures, budgets, overlap."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from farsighted.report.raw_table import raw_table
from farsighted.report.typesetting import Measured, Table, TableRow
from farsighted.report.verdicts import verdict_table
from farsighted.results.columns import Column
from farsighted.results.lookup import GroupKey, group_keys, myopia_entry, number_of, seed_note, slug, summaries, title
from farsighted.results.metrics import DIAGNOSTICS, METRICS, Metric
from farsighted.results.over_seeds import mean_overlap
from farsighted.store.result_records import ResultsRecord, SummaryEntry

SIGNED_GAP: Final = Column("gap_signed", "Rank gap (signed)", None, 2)
CONTRIBUTION: Final = Column("gap_contribution", "Myopia gap (contribution)", "lower", 2)

MAIN: Final = ("current", "future_auc", "forgetting", "ood", "worst_task", "long_horizon")
"""The metrics of the main table."""


def tables(results: ResultsRecord) -> dict[str, Table]:
    """Return the tables of a results value by file name (without suffix)."""
    found: dict[str, Table] = {}
    for group in group_keys(results):
        name, entries = slug(*group), summaries(results, group)
        seeds = seed_note(entries)
        found[f"main_{name}"] = main_table(results, group)
        found[f"verdicts_{name}"] = verdict_table(results, group)
        found[f"metrics_{name}"] = _table(f"All metrics, {title(group)}.", METRICS, entries, [seeds])
        heading = f"Selected subsets and update trajectories, {title(group)}."
        found[f"diagnostics_{name}"] = _table(heading, DIAGNOSTICS, entries, [seeds])
        found[f"measures_{name}"] = raw_table(results, group)
        if any(GroupKey.of(pair) == group for pair in results["overlap"]):
            found[f"overlap_{name}"] = overlap_table(results, group)
    for order, adaptation in dict.fromkeys((group.order, group.adaptation) for group in group_keys(results)):
        budgets = [g for g in group_keys(results) if (g.order, g.adaptation) == (order, adaptation)]
        if len(budgets) > 1:
            found[f"budgets_{slug(order, adaptation)}"] = budget_table(results, budgets)
    return found


def main_table(results: ResultsRecord, group: GroupKey) -> Table:
    """Return short-term and long-term scores and the myopia gap."""
    columns = [*(METRICS[key].column for key in MAIN), SIGNED_GAP, CONTRIBUTION]
    entries = summaries(results, group)
    gap = signed_gaps(results, group)
    return Table(
        f"Short-term and long-term scores, {title(group)}.",
        columns,
        rows(entries, lambda e: [*(Measured.of(e["metrics"][key]) for key in MAIN), *gap.get(e["selector"], _NO_GAP)]),
        [
            seed_note(entries),
            "Signed rank gap: positive where the rank falls from now to later; it describes ranks and is no verdict.",
        ],
    )


def budget_table(results: ResultsRecord, groups: Sequence[GroupKey]) -> Table:
    """Return the long-horizon score of each budget."""
    score = METRICS["long_horizon"].column
    columns = [Column(f"long_horizon_{slug(g.budget)}", g.budget, score.better, score.digits) for g in groups]
    by_group = [{entry["selector"]: entry for entry in summaries(results, group)} for group in groups]
    everyone = {name: entry for entries in by_group for name, entry in entries.items()}

    def scores(entry: SummaryEntry) -> list[Measured | str]:
        found = [entries.get(entry["selector"]) for entries in by_group]
        return [Measured(None) if e is None else Measured.of(e["metrics"]["long_horizon"]) for e in found]

    where = f"order {groups[0].order}, {groups[0].adaptation}"
    entries = list(everyone.values())
    return Table(f"Long-horizon score by budget, {where}.", columns, rows(entries, scores), [seed_note(entries)])


def overlap_table(results: ResultsRecord, group: GroupKey) -> Table:
    """Return how much the chosen examples of every two selectors have in common: Jaccard index, mean over seeds."""
    names = list(dict.fromkeys(name for pair in results["overlap"] for name in (pair["a"], pair["b"])))
    means = {pair: Measured(found.mean, n=found.n) for pair, found in mean_overlap(results, group).items()}
    lines = [TableRow(a, [means.get(frozenset((a, b)), Measured(None)) for b in names]) for a in names]
    note = "Jaccard index of the chosen examples, mean over the seeds that both finished."
    return Table(f"Selection overlap, {title(group)}.", [Column(name, name, None, 2) for name in names], lines, [note])


def rows(
    entries: Sequence[SummaryEntry], numbers: Callable[[SummaryEntry], Sequence[Measured | str]]
) -> list[TableRow]:
    """Return one row an entry, reference rows last."""
    ordered = sorted(entries, key=lambda entry: bool(entry["reference"]))
    return [TableRow(entry["selector"], numbers(entry), ranked=not entry["reference"]) for entry in ordered]


def signed_gaps(results: ResultsRecord, group: GroupKey) -> dict[str, tuple[Measured, Measured]]:
    """Return the signed gap and the contribution of each ranked selector of one group."""
    entry = myopia_entry(results, group)
    if entry is None:
        return {}
    return {
        name: (
            Measured(gap["signed"], low=gap["low"], high=gap["high"], n=len(entry["seeds"])),
            Measured(gap["contribution"], n=len(entry["seeds"])),
        )
        for name, gap in entry["selectors"].items()
    }


_NO_GAP: Final = (Measured(None), Measured(None))


def _table(heading: str, metrics: Mapping[str, Metric], entries: Sequence[SummaryEntry], notes: Sequence[str]) -> Table:
    columns = [row.column for row in metrics.values()]
    return Table(heading, columns, rows(entries, lambda e: [Measured.of(number_of(e, key)) for key in metrics]), notes)
