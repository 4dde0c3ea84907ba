"""Which controlled setting of the tiny LM tells selectors apart: a fractional factorial on pilot data and pilot seeds.

python examples/tiny_lm_design.py OUT_FOLDER    # under an hour on two cores; the same folder again runs what is missing

Four knobs at two levels each, eight settings (a half fraction: the level of noise is the product of the other three).
Two shares of the 21 pairs of selectors are told of a setting: pairs whose difference has an interval that excludes 0,
and pairs that turn round, one ahead now and the other later by such intervals. Neither asks who is ahead. Intervals of
two seeds are too narrow, so this is a screen: pilot suite and pilot seeds are used nowhere else, and what is chosen
here is confirmed on others. `lora.alpha` stays, so a smaller rank also means larger updates.
"""

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from farsighted.api import audit
from farsighted.core.names import FAMILIES
from farsighted.metrics.intervals import interval
from farsighted.paper.evidence import Evidence
from farsighted.results.audit import read_audit
from farsighted.results.estimates import Estimate
from farsighted.results.metrics import METRICS

_log = logging.getLogger("tiny_lm_design")

KNOBS: Mapping[str, tuple[float, float]] = {
    "suite.own": (0.7, 0.95),
    "lora.r": (16, 4),
    "suite.repeats": (0.1, 0.5),
    "suite.noise": (0.0, 0.1),
}
"""Levels, from the first to the second: stage distance, fewer dimensions, redundancy, damaged responses."""
PILOT = ("data.seed=1", "suite.validation=200", "suite.ood=100", "probe.items=100", "budgets=[25%]", "references=[]")
"""Another suite than the presets' (`data.seed` 0)."""
PILOT_SEEDS = (100, 101)
LATER = ("future_auc", "forgetting", "ood", "worst_task")


def settings() -> list[tuple[int, ...]]:
    """Return the eight settings as -1 and 1 by knob."""
    return [(*three, int(np.prod(three))) for three in itertools.product((1, -1), repeat=len(KNOBS) - 1)]


def values_of(setting: Sequence[int]) -> dict[str, float]:
    """Return the value of each knob in a setting."""
    return {knob: levels[(sign + 1) // 2] for (knob, levels), sign in zip(KNOBS.items(), setting, strict=True)}


def sides(evidence: Evidence, key: str) -> dict[tuple[str, str], int]:
    """Return for each pair of selectors 1 where the interval has the first ahead, -1 where behind, else 0."""
    sign = -1 if METRICS[key].column.better == "lower" else 1
    found = {}
    for first, second in itertools.combinations(FAMILIES, 2):
        one, other = evidence.of(key, first, second)
        found[first, second] = sign * _side(one - other, evidence.confidence)
    return found


def _side(difference: Estimate, confidence: float) -> int:
    found = interval(difference.replicates_B, confidence)
    return int(found.low > 0) - int(found.high < 0)


def judged(folder: Path) -> dict[str, float]:
    """Return the share of decided pairs by metric and on average, and the share of pairs that turn round later.

    A pair turns round where one is ahead on current and the other on any later metric, both by their intervals.
    """
    evidence = Evidence(read_audit(folder).groups)
    now = sides(evidence, "current")
    later = {key: sides(evidence, key) for key in LATER}
    row = {
        key: float(np.mean([side != 0 for side in found.values()])) for key, found in {"current": now, **later}.items()
    }
    row["decided"] = float(np.mean(list(row.values())))
    row["turned"] = float(
        np.mean([any(found[pair] * side < 0 for found in later.values()) for pair, side in now.items()])
    )
    return row


def effects(rows: Sequence[tuple[Sequence[int], Mapping[str, float]]], key: str) -> dict[str, float]:
    """Return what the second level of each knob adds to a number on average, over the first."""
    return {
        knob: float(np.mean([sign[place] * row[key] for sign, row in rows]) * 2) for place, knob in enumerate(KNOBS)
    }


def table(rows: Sequence[tuple[Sequence[int], Mapping[str, float]]]) -> str:
    """Return settings, shares and main effects as Markdown."""
    keys = list(rows[0][1])
    lines = ["| " + " | ".join([*KNOBS, *keys]) + " |", "|" + "---:|" * (len(KNOBS) + len(keys))]
    for sign, row in rows:
        shown = [f"{value:g}" for value in values_of(sign).values()] + [f"{row[key]:.2f}" for key in keys]
        lines.append("| " + " | ".join(shown) + " |")
    steps = [f"{knob} {low:g} → {high:g}" for knob, (low, high) in KNOBS.items()]
    lines += ["", "| effect on | " + " | ".join(steps) + " |", "|---|" + "---:|" * len(KNOBS)]
    for key in ("decided", "turned"):
        shown = [f"{value:+.2f}" for value in effects(rows, key).values()]
        lines.append(f"| {key} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run the settings, or what is missing of them, and write their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, as in `farsighted audit`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    rows = []
    for setting in settings():
        knobs = [f"{knob}={value:g}" for knob, value in values_of(setting).items()]
        folder = options.out / "-".join(knobs)
        audit("skills", folder, [*knobs, f"seeds={list(PILOT_SEEDS)}", *PILOT, *options.overrides], options.workers)
        rows.append((setting, judged(folder)))
        _log.info("%s: %s", " ".join(knobs), json.dumps(rows[-1][1]))
    (options.out / "design.md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
