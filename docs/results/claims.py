"""Print what an audit says to the paper's claims, a block a budget: python docs/results/claims.py RESULTS.JSON."""

import json
import sys
from pathlib import Path

from scipy.stats import spearmanr

MEASURES = {
    "metrics": ("current", "future_auc", "forgetting", "ood", "worst_task", "long_horizon"),
    "diagnostics": ("capability_entropy", "mean_difficulty", "mean_quality", "update_concentration"),
}


def mean(entry: dict, part: str, measure: str) -> float:
    """Return the mean over seeds; NaN where nothing was measured."""
    value = entry[part][measure]["mean"]
    return float("nan") if value is None else value


def block(entries: list[dict]) -> list[str]:
    """Return the selectors in order of each measure, the differences to random, and the two rank correlations."""
    lines = []
    for part, measures in MEASURES.items():
        for measure in measures:
            ranked = sorted(entries, key=lambda entry: -mean(entry, part, measure))
            values = ", ".join(f"{entry['selector']} {mean(entry, part, measure):.3g}" for entry in ranked)
            lines.append(f"  {measure}: {values}")
    for entry in entries:
        found = (entry["difference"] or {}).get("long_horizon")
        if found:
            interval = f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"
            lines.append(f"  {entry['selector']} to random, long-horizon: {interval} {entry['verdicts'][0]['verdict']}")
    concentration = [mean(entry, "diagnostics", "update_concentration") for entry in entries]
    for part, measure in (("metrics", "forgetting"), ("diagnostics", "capability_entropy")):
        rho = spearmanr(concentration, [mean(entry, part, measure) for entry in entries]).statistic
        lines.append(f"  Spearman of concentration and {measure}: {rho:.2f}")
    return lines


def main(path: Path) -> None:
    """Print all blocks of one file."""
    groups: dict[str, list[dict]] = {}
    results = json.loads(path.read_text())
    for entry in results["summary"]:
        if not entry["reference"]:
            name = f"{entry['order']}, {entry['budget']}, {entry['adaptation']}"
            groups.setdefault(name, []).append(entry)
    for name, entries in groups.items():
        sys.stdout.write("\n".join([name, *block(entries)]) + "\n")
    for gap in results["myopia"]:
        where = f"{gap['order']}, {gap['budget']}, {gap['adaptation']}"
        sys.stdout.write(f"family gap, {where}: {gap['family']:.2f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
