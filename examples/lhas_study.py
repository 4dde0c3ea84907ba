"""What each part of LHAS buys, and what remedies buy for other selectors, in the quadratic world at equal budgets.

python examples/lhas_study.py OUT_FOLDER     # minutes on two cores; the same folder again runs what is missing
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farsighted.api import audit

_log = logging.getLogger("lhas_study")

Spec = str | dict[str, Any]
SEEDS = 10
COLUMNS = {"current": 1, "future_auc": 3, "forgetting": 1, "ood": 1, "worst_task": 1, "long_horizon": 3}


def lhas(label: str, **parameters: Any) -> Spec:
    """Return a variant of LHAS under a short name."""
    return {"name": "lhas", "label": label, **parameters}


def around(inner: str) -> list[Spec]:
    """Return a selector and each remedy around it."""
    remedies: list[Spec] = [
        {"name": "coverage_floor", "selector": inner, "share": share, "label": f"{inner}, coverage floor {share}"}
        for share in (0.25, 0.5)
    ]
    remedies += [
        {"name": "proxy_floor", "selector": inner, "share": share, "label": f"{inner}, proxy floor {share}"}
        for share in (0.25, 0.5)
    ]
    remedies += [
        {"name": "replay", "selector": inner, "share": share, "label": f"{inner}, replay {share}"}
        for share in (0.1, 0.25)
    ]
    return [inner, *remedies]


ABLATION: list[Spec] = [
    "random",
    "utility_diversity",
    "lhas",
    lhas("no coverage (λ=0)", lambda_=0.0),
    lhas("no proxy (η=0)", eta=0.0),
    lhas("no anti-concentration (ρ=0)", rho=0.0),
    lhas("utility alone", lambda_=0.0, eta=0.0, rho=0.0),
    lhas("λ=1", lambda_=1.0),
    lhas("η=1", eta=1.0),
    lhas("η=2", eta=2.0),
    lhas("ρ=1", rho=1.0),
    lhas("8 centroids", centroids=8),
    lhas("64 centroids", centroids=64),
    lhas("2 directions", directions=2),
    *(lhas(f"utility {name}", utility=name) for name in ("loss", "gradient", "quality", "random", "diversity")),
]
REMEDIES: list[Spec] = ["random", "lhas", *around("loss"), *around("gradient"), *around("utility_diversity")]

AUDITS: Mapping[str, tuple[str, Sequence[Spec], Mapping[str, Any]]] = {
    "ablation": ("lhas", ABLATION, {}),
    "remedies": ("random", REMEDIES, {}),
    **{
        f"proxy_{size}": ("random", ["random", "lhas", lhas("η=2", eta=2.0)], {"proxy": size})
        for size in (1, 4, 16, 64)
    },
    **{
        f"proxy_{kind}": ("random", ["random", "lhas", lhas("η=2", eta=2.0)], {"proxy_kind": kind})
        for kind in ("first_stage", "shuffled")
    },
}
"""Name to the selector that others are compared with, the selectors, and what is changed in the world."""


def run(name: str, out: Path, seeds: int, workers: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Run one audit, or what is missing of it; returns its results."""
    reference, selectors, world = AUDITS[name]
    changes = [f"quadratic.{key}={value}" for key, value in world.items()]
    settings = [f"seeds={list(range(seeds))}", f"statistics.reference={reference}", "references=[]"]
    chosen = "selectors=" + json.dumps(list(selectors), ensure_ascii=False)
    paths = audit("quadratic", out / name, [chosen, *settings, *changes, *overrides], workers)
    found: dict[str, Any] = json.loads(paths.results.read_text())
    return found


def table(results: Mapping[str, Any]) -> str:
    """Return the selectors' means and their differences to the reference with intervals, as Markdown."""
    reference = results["reference"]
    heads = [
        "selector",
        *(key.replace("_", " ") for key in COLUMNS),
        f"long horizon − {reference}",
        f"current − {reference}",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for entry in results["summary"]:
        means = [f"{entry['metrics'][key]['mean']:.{digits}f}" for key, digits in COLUMNS.items()]
        gaps = [_gap(entry, key, digits) for key, digits in (("long_horizon", 3), ("current", 1))]
        lines.append("| " + " | ".join([entry["selector"], *means, *gaps]) + " |")
    return "\n".join(lines)


def _gap(entry: Mapping[str, Any], key: str, digits: int) -> str:
    if not entry["difference"]:
        return "–"
    found = entry["difference"][key]
    return f"{found['mean']:+.{digits}f} [{found['low']:+.{digits}f}, {found['high']:+.{digits}f}]"


def main(arguments: list[str] | None = None) -> None:
    """Run all audits, print their tables, and write them to one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--audits", nargs="+", choices=sorted(AUDITS), default=list(AUDITS))
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, as in `farsighted audit`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    pages = []
    for name in options.audits:
        results = run(name, options.out, options.seeds, options.workers, options.overrides)
        pages.append(f"## {name}\n\n{table(results)}\n")
        _log.info("%s", pages[-1])
    (options.out / "tables.md").write_text("\n".join(pages), encoding="utf-8")


if __name__ == "__main__":
    main()
