"""The page that a person reads first: a plain answer, and the two-level scorecard, now and later."""

from collections.abc import Sequence
from typing import Final

from farsighted.report.tables import SIGNED_GAP, rows, signed_gaps
from farsighted.report.typesetting import Measured, Table, to_markdown
from farsighted.report.verdicts import answer, reading_notes, verdict_sentences, verdict_table, word_of
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
    verdict_beside,
)
from farsighted.results.metrics import level
from farsighted.store.result_records import CellEntry, ResultsRecord, SummaryEntry

_SPENT: Final = [
    COSTS[key] for key in ("trained_tokens", "warm_up_tokens", "scored_tokens", "scoring_seconds", "training_seconds")
]
_STABILITY: Final = Column("stability", "Non-finite / loss spikes / gradient spikes", None, 0)
_SEEDS: Final = Column("seeds", "Seeds", None, 0)
_VERDICT: Final = Column("verdict", "Verdict", None, 0)

COMPUTE_NOTE: Final = (
    "Rows in italics are references: selectors are judged beside them, and they are outside ranks, gap and verdicts. "
    "`random_matched` is random selection "
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
    "Signed rank gap: (rank by long-horizon score − rank by immediate gain) / (selectors − 1), mean over seeds. "
    "Positive: its rank falls from now to later; negative: it rises. It describes ranks and is no verdict."
)
RATIO_NOTE: Final = (
    "Tokens to threshold: probe tokens to a common score, relative to '{reference}'. `>`: the selector missed the "
    "threshold somewhere, so the true ratio is larger; `<`: '{reference}' missed it, so it is smaller; `?`: both did, "
    "and the ratio orders nothing."
)


def scorecard(results: ResultsRecord) -> str:
    """Return the scorecard as Markdown: answer, two levels a group, what is missing, notes."""
    groups = group_keys(results)
    lines = [f"# {results['title']}", "", "## Which selectors are far-sighted, and which myopic?", ""]
    lines += [_answer(results, group, named=len(groups) > 1) + "\n" for group in groups]
    for group in groups:
        name, depth = slug(*group), "##" if len(groups) == 1 else "###"
        if len(groups) > 1:
            lines += [f"## {_heading(group)}", ""]
        lines += [f"{depth} Level 1: now", "", to_markdown(level_one(results, group))]
        lines += [f"{depth} Level 2: later", "", to_markdown(level_two(results, group))]
        lines += [f"{depth} Verdicts", "", to_markdown(verdict_table(results, group))]
        lines += [*verdict_sentences(results, group), ""]
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
            _word(entry, results["reference"]),
        ]

    confidence, reference = results["statistics"]["confidence"], results["reference"]
    note = (
        f"In brackets: {100 * confidence:g} % interval, paired bootstrap over items × seeds, not corrected. "
        f"{seed_note(entries)} Verdict: beside '{reference}'."
    )
    columns = [*(row.column for row in metrics), SIGNED_GAP, _VERDICT]
    intervals = frozenset({"long_horizon", SIGNED_GAP.key})
    return Table(f"Level 2, {title(group)}", columns, rows(entries, numbers), [note], intervals)


def _word(entry: SummaryEntry, reference: str) -> str:
    found = verdict_beside(entry, reference)
    return "reference" if found is None else word_of(found)


def _answer(results: ResultsRecord, group: GroupKey, *, named: bool) -> str:
    """One paragraph without a table: what each selector is, and how sure that is."""
    start = [f"**{_heading(group)}.**"] if named else []
    return " ".join([*start, answer(results, group), *_disagreement(results, group)])


def _heading(group: GroupKey) -> str:
    return f"O{title(group)[1:]}"


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
        *reading_notes(results),
        PROBE_NOTE,
        INTERVAL_NOTE,
        GAP_EXPLAINED,
        RATIO_NOTE.format(reference=results["reference"]),
    ]
    return [*notes, COMPUTE_NOTE] if has_references else notes
