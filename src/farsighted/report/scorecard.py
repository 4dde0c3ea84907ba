"""The page that a person reads first: a plain answer, and the two-level scorecard, now and later."""

from collections.abc import Mapping, Sequence
from typing import Final

from farsighted.report.tables import SIGNED_GAP, rows, signed_gaps
from farsighted.report.typesetting import Measured, Table, to_markdown
from farsighted.results.columns import COSTS, STABILITY, Column
from farsighted.results.lookup import (
    GroupKey,
    cells,
    group_keys,
    myopia_entry,
    number_of,
    seed_note,
    slug,
    summaries,
    title,
)
from farsighted.results.metrics import level
from farsighted.store.result_records import CellEntry, DifferenceNumbers, ResultsRecord, SummaryEntry

_SPENT: Final = [
    COSTS[key] for key in ("trained_tokens", "warm_up_tokens", "scored_tokens", "scoring_seconds", "training_seconds")
]
_STABILITY: Final = Column("stability", "Non-finite / loss spikes / gradient spikes", None, 0)
_SEEDS: Final = Column("seeds", "Seeds", None, 0)
_VERDICT: Final = Column("verdict", "Verdict", None, 0)

COMPUTE_NOTE: Final = (
    "Rows in italics are references: shown, but outside ranks, gap and verdicts. `random_matched` is random selection "
    "with as many extra trained tokens as the scoring pass of an online selector costs. Online selection saves compute "
    "only against training on all data; against random selection of the same number of tokens it costs more."
)
PROBE_NOTE: Final = (
    "Future AUC has two probes. Neutral: after each stage, every selector's model is trained briefly on the same "
    "random examples of the next stage, so it measures the state that was left behind. Own: the selector picks in the "
    "probe too, so it measures the state and the selector together. The long-horizon score, and with it the verdict, "
    "uses the neutral probe."
)
INTERVAL_NOTE: Final = (
    "Intervals come from a paired bootstrap over items × seeds; those of update concentration and the other "
    "diagnostics, which have no items, over seeds alone. With fewer than about ten seeds they are too narrow where "
    "seeds differ much. Forgetting, worst task and imbalance are extremes of noisy means: their intervals lean to the "
    "bad side, the more so the fewer the items."
)
GAP_EXPLAINED: Final = (
    "Signed gap: (rank by long-horizon score − rank by immediate gain) / (selectors − 1), mean over seeds. Positive = "
    "myopic: it ranks worse later than now. Negative = far-sighted."
)
RATIO_NOTE: Final = (
    "Tokens to threshold: probe tokens to a common score, relative to '{reference}'. `>`: the selector missed the "
    "threshold somewhere, so the true ratio is larger; `<`: '{reference}' missed it, so it is smaller; `?`: both did, "
    "and the ratio orders nothing."
)


def scorecard(results: ResultsRecord) -> str:
    """Return the scorecard as Markdown: answer, two levels a group, what is missing, notes."""
    groups = group_keys(results)
    lines = [f"# {results['title']}", "", "## Which selectors are short-sighted?", ""]
    lines += [_answer(results, group, named=len(groups) > 1) + "\n" for group in groups]
    for group in groups:
        name, depth = slug(*group), "##" if len(groups) == 1 else "###"
        if len(groups) > 1:
            lines += [f"## {_heading(group)}", ""]
        lines += [f"{depth} Level 1: now", "", to_markdown(level_one(results, group))]
        lines += [f"{depth} Level 2: later", "", to_markdown(level_two(results, group))]
        lines += [f"{depth} Verdicts", "", *_verdicts(results, group), ""]
        lines += [f"![Figure: now and later](figures/figure2_{name}.svg)", ""]
    lines += [*_absent(results), "## How to read this", ""]
    lines += [f"- {note}" for note in _reading(results)]
    lines += [f"- {note}" for note in results["notes"]]
    return "\n".join(lines) + "\n"


def level_one(results: ResultsRecord, group: GroupKey) -> Table:
    """Return the ordinary metrics of selection: scores now, tokens, seconds, stability."""
    entries = summaries(results, group)
    planned = {
        entry["selector"]: [c for c in cells(results, group) if c["selector"] == entry["selector"]] for entry in entries
    }

    metrics, spent = level(1), _spent(entries)

    def numbers(entry: SummaryEntry) -> list[Measured | str]:
        return [
            *(Measured.of(number_of(entry, row.key)) for row in metrics),
            *(Measured(entry["cost"][column.key]) for column in spent),
            " / ".join(str(entry["stability"][key]) for key in STABILITY),
            f"{len(entry['seeds'])} of {len(planned[entry['selector']])}",
        ]

    columns = [*(row.column for row in metrics), *spent, _STABILITY, _SEEDS]
    return Table(f"Level 1, {title(group)}", columns, rows(entries, numbers), [seed_note(entries)])


def _spent(entries: Sequence[SummaryEntry]) -> list[Column]:
    """Return what is said of costs; of warm-up runs only where there was one."""
    warmed = any(entry["cost"].get("warm_up_tokens") for entry in entries)
    return [column for column in _SPENT if warmed or column.key != "warm_up_tokens"]


def level_two(results: ResultsRecord, group: GroupKey) -> Table:
    """Return the long-horizon metrics, with the interval of the long-horizon score and of the signed gap."""
    entries, metrics = summaries(results, group), level(2)
    gaps = signed_gaps(results, group)

    def numbers(entry: SummaryEntry) -> list[Measured | str]:
        name = entry["selector"]
        bound = _bound(cells(results, group), name)
        return [
            *(Measured.of(number_of(entry, row.key), bound if row.compares else "") for row in metrics),
            gaps[name][0] if name in gaps else Measured(None),
            entry["verdict"] or ("reference" if name == results["reference"] or entry["reference"] else "–"),
        ]

    confidence = results["config"]["statistics"]["confidence"]
    note = f"In brackets: {100 * confidence:g} % interval, paired bootstrap over items × seeds. {seed_note(entries)}"
    columns = [*(row.column for row in metrics), SIGNED_GAP, _VERDICT]
    intervals = frozenset({"long_horizon", SIGNED_GAP.key})
    return Table(f"Level 2, {title(group)}", columns, rows(entries, numbers), [note], intervals)


def _answer(results: ResultsRecord, group: GroupKey, *, named: bool) -> str:
    """One paragraph without a table: who is short-sighted, who is not, and how sure that is."""
    judged = [entry for entry in summaries(results, group) if entry["verdict"] and entry["seeds"]]
    reference = results["reference"]
    start = [f"**{_heading(group)}.**"] if named else []
    if not judged:
        return " ".join([*start, f"Nothing can be said yet: no selector but '{reference}' has finished a seed."])
    by_kind: dict[str, list[SummaryEntry]] = {}
    for entry in judged:
        by_kind.setdefault(_kind(entry), []).append(entry)
    sentences = {
        "short-sighted": f"Short-sighted, with a lower long-horizon score than '{reference}': {{}}.",
        "worse": f"Worse than '{reference}' both now and later: {{}}.",
        "robust": "Better in the long run: {}.",
        "inconclusive": "Undecided, as the interval holds 0 or is missing: {}.",
    }
    text = [form.format(_listed(by_kind[kind])) for kind, form in sentences.items() if kind in by_kind]
    if "short-sighted" not in by_kind:
        text.insert(0, "None is shown to be short-sighted: none that holds its own now is clearly worse later.")
    return " ".join([*start, *text, *_disagreement(results, group)])


def _kind(entry: SummaryEntry) -> str:
    """The verdict, with `myopic` split: who loses now as well is not short-sighted but worse."""
    if entry["verdict"] != "myopic":
        return str(entry["verdict"])
    high = entry["difference"]["current"]["high"] if entry["difference"] else None
    return "worse" if high is not None and high < 0 else "short-sighted"


def _heading(group: GroupKey) -> str:
    return f"O{title(group)[1:]}"


def _listed(entries: Sequence[SummaryEntry]) -> str:
    """Selectors with their differences: `loss (-0.041, interval -0.060 to -0.021; +2.1 points now)`."""
    return "; ".join(f"**{entry['selector']}**{_differences(entry['difference'])}" for entry in entries)


def _differences(difference: Mapping[str, DifferenceNumbers] | None) -> str:
    if difference is None:
        return ""
    later, now = difference["long_horizon"], difference["current"]
    if later["low"] is None:
        return ""
    text = f"{later['mean']:+.3f}, interval {later['low']:+.3f} to {later['high']:+.3f}"
    return f" ({text})" if now["mean"] is None else f" ({text}; {now['mean']:+.1f} points now)"


def _disagreement(results: ResultsRecord, group: GroupKey) -> list[str]:
    entry = myopia_entry(results, group)
    if entry is None:
        return []
    name, fall = max(entry["selectors"].items(), key=lambda item: item[1]["signed"])
    text = (
        f"The rankings by immediate gain and by long-horizon score disagree with a myopia gap of {entry['family']:.2f}"
    )
    if fall["signed"] <= 0:
        return [f"{text}."]
    return [f"{text}; {name} falls most, from rank {fall['rank_immediate']:.1f} to {fall['rank_long']:.1f}."]


def _bound(entries: Sequence[CellEntry], selector: str) -> str:
    """The sign of a ratio that compares lower bounds."""
    censored = [cell["censored"] for cell in entries if cell["selector"] == selector and cell["censored"]]
    own, reference = (any(count[key] for count in censored) for key in ("selector", "reference"))
    return {(False, False): "", (True, False): "> ", (False, True): "< ", (True, True): "? "}[own, reference]


def _verdicts(results: ResultsRecord, group: GroupKey) -> list[str]:
    return [
        f"- **{entry['selector']}: {entry['verdict']}.** {entry['why']}{_design(entry)}"
        for entry in summaries(results, group)
        if entry["verdict"]
    ]


def _design(entry: SummaryEntry) -> str:
    """How large an audit would have to be, where this one was too small."""
    power = entry["power"]
    if entry["verdict"] != "inconclusive" or power is None or not power["resolvable"]:
        return ""
    have = power["measured"]
    return (
        f" A difference as large as the observed one would need about {power['items']} items a set and "
        f"{power['seeds']} seeds; this audit has {have['items']} and {have['seeds']}."
    )


def _absent(results: ResultsRecord) -> list[str]:
    """The cells that diverged or have not finished, and numbers that are missing from those that have."""
    lost = [cell for cell in results["cells"] if cell["status"] != "done"]
    lines = [f"- {_cell(cell)} **{cell['status']}**: {_with_examples(cell)}" for cell in lost]
    gaps: dict[tuple[str, str], list[str]] = {}
    for cell in results["cells"]:
        if cell["status"] == "done" and not cell["reference"]:
            for key, reason in cell["missing"].items():
                gaps.setdefault((key, reason), []).append(cell["id"])
    lines += [f"- `{key}`, of {_count(len(ids), 'cell')}: {reason.rstrip('.')}." for (key, reason), ids in gaps.items()]
    return ["## What is missing", "", *lines, ""] if lines else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cell(cell: CellEntry) -> str:
    return f"{cell['selector']}, seed {cell['seed']}, {title(GroupKey.of(cell))}:"


def _with_examples(cell: CellEntry) -> str:
    examples = cell["example_ids"]
    if not examples:
        return str(cell["reason"])
    more = f" and {len(examples) - 5} more" if len(examples) > 5 else ""
    return f"{cell['reason']} Examples: {', '.join(examples[:5])}{more}."


def _reading(results: ResultsRecord) -> list[str]:
    """What the reader must know; the note on reference rows only where there are some."""
    has_references = any(entry["reference"] for entry in results["summary"])
    notes = [
        "Best in **bold**, second <u>underlined</u>; ↑ higher is better, ↓ lower is better; – not measured.",
        f"Verdicts compare the long-horizon score with that of '{results['reference']}', seed by seed, over the seeds "
        "that both have finished: robust = the interval of the difference lies above 0, myopic = below 0, else "
        "inconclusive.",
        PROBE_NOTE,
        INTERVAL_NOTE,
        GAP_EXPLAINED,
        RATIO_NOTE.format(reference=results["reference"]),
    ]
    return [*notes, COMPUTE_NOTE] if has_references else notes
