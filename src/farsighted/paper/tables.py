"""The paper's Tables 1, 2 and 3 beside those of an audit, and how far the orders of the selectors agree.

The worlds differ, so no number is a target; what can be compared is the order of the seven selectors in each column.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from farsighted.core.names import FAMILIES
from farsighted.core.numbers import number_or_none
from farsighted.metrics import intervals
from farsighted.metrics.correlation import kendall, spearman
from farsighted.paper.evidence import Evidence, Reading
from farsighted.paper.published import GAP, GAP_NOTE, SEEDS, TABLE_1, TABLE_2, TABLE_3, Published
from farsighted.report.tables import CONTRIBUTION
from farsighted.report.typesetting import Measured, Table, TableRow
from farsighted.results.columns import Column
from farsighted.results.estimates import Estimate, combine_rows
from farsighted.results.groups import Group
from farsighted.results.lookup import GroupKey, slug, title
from farsighted.results.metrics import DIAGNOSTICS, METRICS
from farsighted.results.rankings import myopia_gaps

AGREEMENT: Final = (Column("spearman", "Spearman", None, 2), Column("kendall", "Kendall", None, 2))
"""Above 0 = the same order as in the paper, whichever way of the column is better."""

_PAPER_DIGITS: Final = {"future_auc": 2, "long_horizon": 2, **dict.fromkeys(TABLE_2, 2)}
"""Digits after the point that the paper prints, where it is not one."""


def tables_beside_paper(groups: Mapping[GroupKey, Group], confidence: float = 0.95) -> dict[str, Table]:
    """Return the three tables and that of their agreement by file name (without suffix).

    Tables 1 and 2 are of the main group (`Evidence.main`), Table 3 of the same order and adaptation at the paper's
    budgets; what was not run is left empty. A family of selectors is seen through its one ranked selector.

    Raises:
        ValueError: if there is no group.
    """
    evidence = Evidence(groups, confidence)
    return {
        "table1_beside_paper": table_1(evidence),
        "table2_beside_paper": table_2(evidence),
        "table3_beside_paper": table_3(evidence),
        "agreement_with_paper": agreement(evidence),
    }


def table_1(evidence: Evidence) -> Table:
    """Return short-term and long-term scores, mean ± sd over seeds, ours and the paper's, and the Gap column."""
    pairs = [_pair(evidence, METRICS[key].column, evidence.main, key, TABLE_1[key]) for key in TABLE_1]
    return _table(f"Table 1 beside {title(evidence.main)}.", [*pairs, _gap_pair(evidence)], [GAP_NOTE])


def table_2(evidence: Evidence) -> Table:
    """Return the diagnostics of selected subsets and of updates, ours and the paper's."""
    pairs = [_pair(evidence, DIAGNOSTICS[key].column, evidence.main, key, TABLE_2[key]) for key in TABLE_2]
    return _table(f"Table 2 beside {title(evidence.main)}.", pairs)


def table_3(evidence: Evidence) -> Table:
    """Return the long-horizon score of each of the paper's budgets, ours and the paper's."""
    pairs = []
    for share, published in TABLE_3.items():
        group = evidence.at_budget(share)
        column = Column(f"long_horizon_{slug(share)}", group.budget, "higher", METRICS["long_horizon"].column.digits)
        pairs.append(_pair(evidence, column, group, "long_horizon", published))
    main = evidence.main
    return _table(f"Table 3 beside long-horizon scores, order {main.order}, {main.adaptation}.", pairs)


def agreement(evidence: Evidence) -> Table:
    """Return Spearman and Kendall (tau-b) of our means and the paper's over the selectors, a row a column.

    Intervals are those of the bootstrap over items x seeds; the paper's means are taken as printed. Resampling
    brings selectors that are close into other orders, so the measured value lies near the upper end of its interval
    where the orders agree. The Gap column is no target and has no row.
    """
    rows = [(METRICS[key].column, evidence.main, key, papers) for key, papers in TABLE_1.items()]
    rows += [(DIAGNOSTICS[key].column, evidence.main, key, papers) for key, papers in TABLE_2.items()]
    score = METRICS["long_horizon"].column
    for share, published in TABLE_3.items():
        named = replace(score, label=f"{score.label} at {share}")
        rows.append((named, evidence.at_budget(share), score.key, published))
    lines = []
    for column, group, key, published in rows:
        label = f"Table {published[FAMILIES[0]].table}: {column.label} {column.arrow}".strip()
        lines.append(TableRow(label, [_agreement(evidence, group, key, published, how) for how in (spearman, kendall)]))
    shown = frozenset(column.key for column in AGREEMENT)
    return Table(
        f"Agreement with the paper's orders, {title(evidence.main)}.",
        AGREEMENT,
        lines,
        _agreement_notes(evidence),
        shown,
        "Column",
    )


Pair = tuple[tuple[Column, Sequence[Measured]], tuple[Column, Sequence[Measured]]]
"""Our column and the paper's, each with its numbers in the order of `FAMILIES`."""


def _pair(evidence: Evidence, column: Column, group: GroupKey, key: str, published: Mapping[str, Published]) -> Pair:
    ours = [_measured(evidence, Reading(group, family, key)) for family in FAMILIES]
    return (column, ours), _papers(column, published, _PAPER_DIGITS.get(key, column.digits))


def _papers(column: Column, published: Mapping[str, Published], digits: int) -> tuple[Column, Sequence[Measured]]:
    named = Column(f"{column.key}_paper", f"{column.label}, paper", column.better, digits)
    numbers = [published[family] for family in FAMILIES]
    return named, [Measured(n.mean, n.sd, n=None if n.sd is None else SEEDS) for n in numbers]


def _measured(evidence: Evidence, reading: Reading) -> Measured:
    """One number of ours over all seeds that have it; a diagnostic of one seed has no interval."""
    seeds = evidence.seeds([reading])
    if not seeds:
        return Measured(None)
    sample = evidence.groups[reading.group].sample(evidence.label(reading.group, reading.family), reading.key, seeds)
    found = intervals.summarise(sample.values_Z, sample.replicates_B, evidence.confidence)
    alone = reading.key in DIAGNOSTICS and found.n == 1
    low, high = (None, None) if alone else (number_or_none(found.low), number_or_none(found.high))
    return Measured(found.mean, number_or_none(found.sd), low, high, found.n)


def _gap_pair(evidence: Evidence) -> Pair:
    """Contributions to the family's gap (Eq. 3), over the families and seeds that are complete, and the Gap column."""
    keys = ("immediate_gain", "long_horizon")
    families = [f for f in FAMILIES if evidence.seeds([Reading(evidence.main, f, key) for key in keys])]
    seeds = evidence.seeds([Reading(evidence.main, family, key) for family in families for key in keys])
    ours = dict.fromkeys(FAMILIES, Measured(None))
    if len(families) > 1 and seeds:
        labels = [evidence.label(evidence.main, family) for family in families]
        gap, replicas = myopia_gaps(evidence.groups[evidence.main], labels, seeds)
        for index, family in enumerate(families):
            found = intervals.interval(replicas.contribution_K[:, index], evidence.confidence)
            ours[family] = Measured(
                float(gap.contribution_K[index]),
                None,
                number_or_none(found.low),
                number_or_none(found.high),
                len(seeds),
            )
    return (CONTRIBUTION, list(ours.values())), _papers(replace(CONTRIBUTION, label="Gap", better=None), GAP, 2)


def _table(heading: str, pairs: Sequence[Pair], notes: Sequence[str] = ()) -> Table:
    columns = [column for pair in pairs for column, _ in pair]
    numbers = [found for pair in pairs for _, found in pair]
    lines = [TableRow(family, [column[row] for column in numbers]) for row, family in enumerate(FAMILIES)]
    counts = sorted({found.n or 0 for (_, ours), _ in pairs for found in ours} - {0})
    listed = " to ".join(map(str, dict.fromkeys((*counts[:1], *counts[-1:])))) or "no"
    seeds = f"{listed} seed{'' if listed == '1' else 's'}"
    stated = any(found.sd is not None for _, (_, papers) in pairs for found in papers)
    spread = f"the paper's over {SEEDS}" if stated else "the paper states no spread"
    seed_note = f"Ours: mean ± sd over {seeds}; {spread}. The worlds differ: no number is a target."
    return Table(heading, columns, lines, [seed_note, *notes])


def _agreement(
    evidence: Evidence,
    group: GroupKey,
    key: str,
    published: Mapping[str, Published],
    correlation: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Measured:
    """Over the families that were run, if three were: two always agree or disagree in full."""
    families = [family for family in FAMILIES if evidence.seeds([Reading(group, family, key)])]
    if len(families) < 3:
        return Measured(None)
    papers_K = np.array([published[family].mean for family in families])
    ours = evidence.read([Reading(group, family, key) for family in families])
    found = combine_rows(lambda ours_xK: correlation(ours_xK, papers_K), ours)
    low, high = (None, None) if found.why else _ends(found, evidence.confidence)
    return Measured(number_or_none(found.value), None, low, high, found.seeds or None)


def _ends(found: Estimate, confidence: float) -> tuple[float | None, float | None]:
    bounds = intervals.interval(found.replicates_B, confidence)
    return number_or_none(bounds.low), number_or_none(bounds.high)


def _agreement_notes(evidence: Evidence) -> list[str]:
    lost = [family for family in FAMILIES if not evidence.label(evidence.main, family)]
    over = f"the {len(FAMILIES) - len(lost)} selectors that were run" if lost else f"the {len(FAMILIES)} selectors"
    confidence = f"{100 * evidence.confidence:g} %"
    return [
        f"Rank correlation of our means with the paper's over {over}; above 0 = the same order. In brackets: "
        f"{confidence} interval, paired bootstrap over items × seeds, for diagnostics over seeds alone.",
    ]
