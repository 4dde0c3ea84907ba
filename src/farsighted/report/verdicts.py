"""What was found of each selector: the answer in a paragraph, the table of verdicts, and the sentence behind each.

All three read the same entries of results.json, and so say the same word.
"""

from collections.abc import Sequence
from typing import Final

from farsighted.core.verdicts import MEANINGS, VERDICTS
from farsighted.report.typesetting import Measured, Table, TableRow
from farsighted.results.columns import Column
from farsighted.results.lookup import GroupKey, summaries, title, verdict_beside
from farsighted.store.result_records import ComparisonNumbers, ResultsRecord, SummaryEntry, VerdictEntry

_COLUMNS: Final = [
    Column("reference", "Beside", None, 0),
    Column("now", "Now (points)", None, 1),
    Column("later", "Later (long-horizon score)", None, 3),
    Column("now_p", "p now", None, 4),
    Column("later_p", "p later", None, 4),
    Column("verdict", "Verdict", None, 0),
]
_CORRECTIONS: Final = {
    "holm": "corrected by Holm's method over selectors × {now, later} beside one reference",
    "benjamini-hochberg": "corrected by Benjamini and Hochberg's method over selectors × {now, later} beside one "
    "reference",
    "none": "not corrected for how many there are",
}


def answer(results: ResultsRecord, group: GroupKey) -> str:
    """Return the verdicts beside the first reference, word by word, with their numbers."""
    reference = results["reference"]
    found = _beside(results, group, reference)
    if not found:
        return f"Nothing can be said: no selector but '{reference}' was run."
    text = [f"Beside '{reference}':"]
    for word in VERDICTS:
        same = [(name, entry) for name, entry in found if entry["verdict"] == word]
        if same:
            text.append(f"**{word}** ({MEANINGS[word]}): {_listed(same)}.")
    judged = [entry for _, entry in found if entry["verdict"] != "no verdict"]
    if judged and not any(entry["verdict"] == "myopic" for entry in judged):
        text.append("None is shown to be myopic.")
    if any(entry["provisional"] for entry in judged):
        text.append("What is provisional rests on fewer than three seeds.")
    reasons = list(dict.fromkeys(entry["why"] for _, entry in found if entry["verdict"] == "no verdict"))
    return " ".join([*text, *(reasons if len(reasons) == 1 else [])])


def verdict_table(results: ResultsRecord, group: GroupKey) -> Table:
    """Return both differences of every selector to every reference, corrected, and the verdict."""
    lines = [
        TableRow(name, _numbers(entry))
        for reference in results["references"]
        for name, entry in _beside(results, group, reference)
    ]
    return Table(f"Verdicts, {title(group)}.", _COLUMNS, lines, [table_note(results)], frozenset({"now", "later"}))


def table_note(results: ResultsRecord) -> str:
    """Return what the table's intervals and p-values are."""
    used = results["statistics"]
    return (
        f"Paired differences, selector minus the one that it stands beside. In brackets: {100 * used['confidence']:g} "
        f"% interval, {_CORRECTIONS[used['correction']]}, as are the p-values; {used['resamples']:,} resamples."
    )


def verdict_sentences(results: ResultsRecord, group: GroupKey) -> list[str]:
    """Return the sentence behind every verdict, reference by reference, as list items of Markdown."""
    lines = []
    for reference in results["references"]:
        for name, entry in _beside(results, group, reference):
            lines.append(f"- **{name}: {word_of(entry)}** beside '{reference}'. {entry['why']}{_design(entry)}")
    return lines


def word_of(entry: VerdictEntry) -> str:
    """Return a verdict as tables and lists have it."""
    price = ", at a price now" if _costs_now(entry) else ""
    return f"{entry['verdict']}{price}{', provisional' if entry['provisional'] else ''}"


def reading_notes(results: ResultsRecord) -> list[str]:
    """Return what each word means, and what decides."""
    smallest = results["statistics"]["smallest_effect"]
    meanings = "; ".join(f"**{word}**: {MEANINGS[word]}" for word in VERDICTS)
    return [
        f"Verdicts stand on two paired differences to a reference, seed by seed and item by item: now, of current "
        f"scores, and later, of long-horizon scores, each by its corrected interval. {meanings}. Above and below 0 "
        f"mean wholly so; what lies wholly within ± {smallest['now']:g} points now or ± {smallest['later']:g} later "
        "does not matter, whatever its sign.",
    ]


def _beside(results: ResultsRecord, group: GroupKey, reference: str) -> list[tuple[str, VerdictEntry]]:
    found = ((entry["selector"], verdict_beside(entry, reference)) for entry in _judged(results, group))
    return [(name, entry) for name, entry in found if entry is not None]


def _judged(results: ResultsRecord, group: GroupKey) -> list[SummaryEntry]:
    return [entry for entry in summaries(results, group) if entry["verdicts"]]


def _listed(found: Sequence[tuple[str, VerdictEntry]]) -> str:
    """Selectors with their differences: `loss (-0.041, interval -0.060 to -0.021; +2.1 points now)`."""
    return "; ".join(f"{name}{_differences(entry)}" for name, entry in found)


def _differences(entry: VerdictEntry) -> str:
    later, now = entry["later"], entry["now"]
    if later is None or now is None:
        return ""
    ends = later["corrected"]
    marked = "provisional: " if entry["provisional"] else ""
    price = ", a price" if _costs_now(entry) else ""
    interval = f"interval {ends['low']:+.3f} to {ends['high']:+.3f}"
    return f" ({marked}{later['mean']:+.3f}, {interval}; {now['mean']:+.1f} points now{price})"


def _costs_now(entry: VerdictEntry) -> bool:
    """Whether a far-sighted selector loses now: this is told wherever its verdict is."""
    return entry["verdict"] == "far-sighted" and entry["now"] is not None and entry["now"]["side"] == "below"


def _numbers(entry: VerdictEntry) -> list[Measured | str]:
    pair = (entry["now"], entry["later"])
    p_values = ("–" if one is None else f"{one['corrected']['p']:.4f}" for one in pair)
    return [entry["reference"], *map(_measured, pair), *p_values, word_of(entry)]


def _measured(found: ComparisonNumbers | None) -> Measured:
    if found is None:
        return Measured(None)
    ends = found["corrected"]
    return Measured(found["mean"], low=ends["low"], high=ends["high"], sign="+" if found["mean"] > 0 else "")


def _design(entry: VerdictEntry) -> str:
    """How large an audit would have to be, where this one was too small."""
    power = entry["power"]
    if entry["verdict"] != "undecided" or power is None or not power["resolvable"]:
        return ""
    have = power["measured"]
    return (
        f" One comparison by itself, of a difference as large as the observed one, would need about {power['items']} "
        f"items a set and {power['seeds']} seeds; this audit has {have['items']} and {have['seeds']}."
    )
