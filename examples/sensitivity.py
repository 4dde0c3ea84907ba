"""How far agreement with the paper depends on the quadratic world's parameters: one changed at a time.

python examples/sensitivity.py OUT_FOLDER    # minutes on two cores; the same folder again runs what is missing
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from farsighted.api import audit
from farsighted.paper.claims import claims_of
from farsighted.paper.tables import tables_beside_paper
from farsighted.results.audit import read_audit

_log = logging.getLogger("sensitivity")

SEEDS = 4
VARIANTS = {
    "as stated": [],
    **{f"world {seed}": [f"data.seed={seed}"] for seed in (1, 2, 3, 4)},
    **{f"alignment {value}": [f"quadratic.alignment={value}"] for value in (0.2, 0.6, 0.8)},
    **{f"conflict {value}": [f"quadratic.conflict={value}"] for value in (0.0, 0.25, 1.0)},
    **{f"noise {value}": [f"quadratic.noise={value}"] for value in (0.0, 1.5, 5.0)},
    **{f"redundancy {value}": [f"quadratic.redundancy={value}"] for value in (0.0, 0.7)},
    **{f"rank {value}": [f"lora.r={value}"] for value in (6, 24)},
    # A rate of 2 at rank 12 lowers the loss as much as one of 24 / r at rank r.
    **{f"rank {r}, rate {24 / r}": [f"lora.r={r}", f"training.learning_rate={24 / r}"] for r in (6, 24)},
    "full training": ["adaptations=[full]"],
    **{f"learning rate {value}": [f"training.learning_rate={value}"] for value in (1.0, 4.0)},
    "proxy refreshed every 10 steps": ["signals.proxy_refresh=10"],
}
"""What a row is called, and what is changed in the preset `quadratic`."""
JUDGED = 7
"""Claims that one group of cells can answer: the first seven."""


def measured(name: str, out: Path, seeds: int, workers: int, overrides: Sequence[str]) -> dict[str, str]:
    """Run one variant, or what is missing of it; returns Spearman by column of the paper, and what holds."""
    folder = out / name.replace(" ", "-")
    settings = [f"seeds={list(range(seeds))}", "references=[]", "budgets=[25%]"]
    audit("quadratic", folder, [*VARIANTS[name], *settings, *overrides], workers)
    found = read_audit(folder)
    row = {}
    for line in tables_beside_paper(found.groups)["agreement_with_paper"].rows:
        spearman = line.numbers[0]
        if not isinstance(spearman, str) and spearman.mean is not None:
            row[line.label] = f"{spearman.mean:.2f}"
    outcomes = claims_of(found.groups, found.settings)[:JUDGED]
    for outcome in ("holds", "fails"):
        named = [str(claim.number) for claim in outcomes if claim.outcome == outcome]
        row[f"claims 1-{JUDGED}: {outcome}"] = ", ".join(named) or "–"
    return row


def table(rows: dict[str, dict[str, str]]) -> str:
    """Return the variants as Markdown, a row each."""
    heads = list(next(iter(rows.values())))
    lines = ["| variant | " + " | ".join(heads) + " |", "|" + "---|" * (1 + len(heads))]
    lines += ["| " + " | ".join([name, *(row.get(head, "–") for head in heads)]) + " |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run all variants and write their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, as in `farsighted audit`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    rows = {}
    for name in options.variants:
        rows[name] = measured(name, options.out, options.seeds, options.workers, options.overrides)
        _log.info("%s: %s", name, json.dumps(rows[name], ensure_ascii=False))
    (options.out / "sensitivity.md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
