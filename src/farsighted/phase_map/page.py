"""The map in words: phase_map.md, with the command that made every number of it."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from farsighted.phase_map.design import AXES, METRICS, SELECTORS
from farsighted.phase_map.map import ESTIMATED, PhaseMap, RegionRow, recovery, region_rows
from farsighted.phase_map.records import PointRecord
from farsighted.phase_map.rules import Rule, sentence
from farsighted.phase_map.verdicts import WORDS, legend
from farsighted.results.lookup import slug

_LABELS: Final = {
    "immediate_gain": "immediate gain",
    "current": "current",
    "future_auc": "future AUC",
    "forgetting": "forgetting",
    "ood": "OOD",
    "worst_task": "worst task",
    "long_horizon": "long horizon",
}


def page(phase_map: PhaseMap, records: Sequence[PointRecord], command: str) -> str:
    """Return phase_map.md: how it was made, differences, regions, rules, and how well the estimates do."""
    parts = (
        _made(phase_map, command),
        _overall(phase_map, records),
        _verdict_table(phase_map),
        _rules(phase_map),
        _recovery(phase_map),
        _regions(phase_map),
    )
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _made(phase_map: PhaseMap, command: str) -> Iterator[str]:
    sizes = phase_map.design["sizes"]
    axes = ", ".join(f"{axis.label} {axis.low:g} to {axis.high:g}{' %' if axis.unit else ''}" for axis in AXES.values())
    yield from (
        "# When is a selector myopic?",
        "",
        "```sh",
        command,
        "```",
        "",
        f"{phase_map.points} worlds of the quadratic kind, each with a seed of its own, and in each the "
        f"{len(SELECTORS)} selectors through the audit's own protocol: {phase_map.points * len(SELECTORS):,} cells. "
        f"The worlds fill five axes: {axes}. A stage has {sizes['train']} training examples, {sizes['validation']} for "
        f"validation, {sizes['ood']} in a shifted set; a probe has {sizes['probe_steps']} steps. Design seed "
        f"{phase_map.design['seed']}. The learning rate falls with the rank, so that a step goes as far at each. Every "
        "difference is to random selection in the same world.",
        "",
        "This is a map of the quadratic world, and no proof about a language model.",
        "",
    )


def _overall(phase_map: PhaseMap, records: Sequence[PointRecord]) -> Iterator[str]:
    yield from ("## Differences to random, mean ± standard error over all worlds", "")
    yield _pipe(["selector", *(_LABELS[key] for key in METRICS)])
    yield _pipe(["---", *("---:" for _ in METRICS)])
    for selector in phase_map.differences:
        values = [[record["differences"][selector][key] for record in records] for key in METRICS]
        yield _pipe([f"`{selector}`", *(_mean(column, key) for column, key in zip(values, METRICS, strict=True))])
    yield from ("", "Scores 0 to 100; future AUC and long-horizon score 0 to 1; less forgetting is better.", "")


def _verdict_table(phase_map: PhaseMap) -> Iterator[str]:
    yield from ("## How often", "", f"Share of the worlds, by two standard errors over items. {legend()}", "")
    yield _pipe(["selector", *WORDS, "worlds"])
    yield _pipe(["---", *("---:" for _ in range(len(WORDS) + 1))])
    for row in region_rows(phase_map):
        if row["axis"] is None:
            yield _pipe([f"`{row['selector']}`", *_shares(row), str(row["points"])])
    yield ""


def _rules(phase_map: PhaseMap) -> Iterator[str]:
    yield from (
        "## Rules of thumb",
        "",
        "From the measured coordinates to a difference: a tree of at most two questions in a row or a straight line, "
        "whichever errs less in ten-fold cross-validation. Error: root mean square, beside that of the trivial rule "
        "(the mean). A rule counts as better where its squared errors are smaller by more than two standard errors.",
        "",
    )
    for what, rules in (("Long-horizon score", phase_map.later), ("Current score", phase_map.now)):
        yield from (f"### {what}", "", "| selector | rule | error | trivial |", "|---|---|---:|---:|")
        for selector, rule in rules.items():
            yield _pipe([f"`{selector}`", rule_words(rule), f"{rule.error:.4g}", f"{rule.trivial_error:.4g}"])
        yield ""


def rule_words(rule: Rule) -> str:
    """Return a rule in words, or that none is better than the mean."""
    if rule.better:
        return sentence(rule.form)
    return f"no better than trivial: {sentence(rule.form)} (best tried: a {rule.candidate})"


def _recovery(phase_map: PhaseMap) -> Iterator[str]:
    yield from ("## How well the estimates recover the world's parameters", "")
    yield from ("| estimate | parameter | Spearman | worlds |", "|---|---|---:|---:|")
    for name, rho in recovery(phase_map).items():
        count = int(np.isfinite(phase_map.measured[name]).sum())
        yield _pipe([name.replace("_", " "), ESTIMATED[name], f"{rho:.3f}", str(count)])
    yield from ("", "Budget and rank share are known, not estimated.", "")


def _regions(phase_map: PhaseMap) -> Iterator[str]:
    yield from (
        "## Regions",
        "",
        "The thirds of each axis. Verdict: that of the mean differences, by two standard errors over worlds; beside "
        "it the share of worlds with each.",
        "",
    )
    rows = region_rows(phase_map)
    for selector in phase_map.differences:
        yield from (f"### {selector}", "", f"![](figures/map_{slug(selector)}.svg)", "")
        yield _pipe(["region", "worlds", "now", "later", "verdict", *WORDS])
        yield _pipe(["---", *("---:" for _ in range(3)), "---", *("---:" for _ in WORDS)])
        for row in rows:
            if row["selector"] == selector:
                yield _pipe([row["region"], str(row["points"]), *_means(row), row["verdict"] or "–", *_shares(row)])
        yield ""


def _means(row: RegionRow) -> list[str]:
    if row["now"] is None:
        return ["–", "–"]
    return [f"{row['now']:+.2f} ± {row['now_error']:.2f}", f"{row['later']:+.4f} ± {row['later_error']:.4f}"]


def _shares(row: RegionRow) -> list[str]:
    total = sum(row["counts"].values())
    return [f"{100 * row['counts'][name] / total:.0f} %" if total else "–" for name in WORDS]


def _mean(column: Sequence[float | None], key: str) -> str:
    values = np.array([value for value in column if value is not None])
    if len(values) < 2:
        return "–"
    digits = 4 if key in {"future_auc", "long_horizon"} else 2
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.{digits}f} ± {error:.{digits}f}"


def _pipe(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"
