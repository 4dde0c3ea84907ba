"""What each part of LHAS buys, and what remedies buy for other selectors, at equal budgets.

python examples/lhas_study.py OUT_FOLDER                               # quadratic world: minutes on two cores
python examples/lhas_study.py OUT_FOLDER --audits tiny_lm --seeds 8    # other utilities inside LHAS, language model

The same folder again runs what is missing.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from farsighted.api import audit
from farsighted.metrics.intervals import interval
from farsighted.results.audit import read_audit
from farsighted.store.layout import Layout
from farsighted.store.reader import read_results
from farsighted.store.result_records import ResultsRecord, SummaryEntry

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

PROXIES: list[Spec] = ["random", "lhas", lhas("η=2", eta=2.0)]
AROUND: list[Spec] = [
    *("random", "loss", "gradient", "diversity", "utility_diversity", "lhas"),
    *(lhas(f"utility {name}", utility=name) for name in ("random", "loss", "gradient", "diversity")),
]


class Study(NamedTuple):
    """One audit of the study."""

    reference: str
    """The selector that others are compared with."""
    selectors: Sequence[Spec]
    changes: tuple[str, ...] = ()
    """Settings changed in the preset."""
    preset: str = "quadratic"


AUDITS: Mapping[str, Study] = {
    "ablation": Study("lhas", ABLATION),
    "remedies": Study("random", REMEDIES),
    **{f"proxy_{size}": Study("random", PROXIES, (f"quadratic.proxy={size}",)) for size in (1, 4, 16, 64)},
    **{
        f"proxy_{kind}": Study("random", PROXIES, (f"quadratic.proxy_kind={kind}",))
        for kind in ("first_stage", "shuffled")
    },
    "tiny_lm": Study("random", AROUND, preset="tiny-lm"),
}


def run(name: str, out: Path, seeds: int, workers: int, overrides: Sequence[str]) -> ResultsRecord:
    """Run one audit, or what is missing of it; returns its results."""
    study = AUDITS[name]
    settings = [f"seeds={list(range(seeds))}", f"statistics.reference={study.reference}", "references=[]"]
    chosen = "selectors=" + json.dumps(list(study.selectors), ensure_ascii=False)
    audit(study.preset, out / name, [chosen, *settings, *study.changes, *overrides], workers)
    return read_results(Layout(out / name))


def table(results: ResultsRecord) -> str:
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


def inside_against_alone(folder: Path, confidence: float = 0.95) -> str:
    """Return what LHAS adds to the utilities that stand in an audit alone and inside it, paired, as Markdown."""
    (group,) = read_audit(folder).groups.values()
    labels = {name for name, _ in group.cells}
    pairs = [(label, label.removeprefix("utility ")) for label in sorted(labels) if label.startswith("utility ")]
    pairs += [("lhas", "utility_diversity")] if "lhas" in labels else []
    lines = ["| inside LHAS − alone | " + " | ".join(key.replace("_", " ") for key in COLUMNS) + " |"]
    lines.append("|---|" + "---|" * len(COLUMNS))
    for inside, alone in (pair for pair in pairs if pair[1] in labels):
        shown = []
        for key, digits in COLUMNS.items():
            seeds = sorted(set(group.finished_seeds(inside, key)) & set(group.finished_seeds(alone, key)))
            ours, theirs = (group.sample(label, key, seeds) for label in (inside, alone))
            found = interval(ours.replicates_B - theirs.replicates_B, confidence)
            shown.append(_shown(float((ours.values_Z - theirs.values_Z).mean()), found.low, found.high, digits))
        lines.append("| " + " | ".join([alone, *shown]) + " |")
    return "\n".join(lines)


def _gap(entry: SummaryEntry, key: str, digits: int) -> str:
    found = entry["difference"][key] if entry["difference"] else None
    if found is None or found["mean"] is None or found["low"] is None or found["high"] is None:
        return "–"
    return _shown(found["mean"], found["low"], found["high"], digits)


def _shown(mean: float, low: float, high: float, digits: int) -> str:
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def main(arguments: list[str] | None = None) -> None:
    """Run all audits, print their tables, and write them to one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    quick = [name for name, study in AUDITS.items() if study.preset == "quadratic"]
    parser.add_argument("--audits", nargs="+", choices=sorted(AUDITS), default=quick)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE, as in `farsighted audit`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    pages = []
    for name in options.audits:
        results = run(name, options.out, options.seeds, options.workers, options.overrides)
        pages.append(f"## {name}\n\n{table(results)}\n")
        if name == "tiny_lm":
            pages[-1] += "\n" + inside_against_alone(options.out / name) + "\n"
        _log.info("%s", pages[-1])
    (options.out / "tables.md").write_text("\n".join(pages), encoding="utf-8")


if __name__ == "__main__":
    main()
