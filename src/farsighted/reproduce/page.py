"""The page of a reproduction: the paper's tables beside ours, its figures, its claims."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from farsighted.report.beside_paper import tables_beside_paper
from farsighted.report.claims import ClaimOutcome, claims_of, claims_page
from farsighted.report.folder import groups_of, settings_of
from farsighted.report.paper_figures import paper_figures
from farsighted.report.results import build_results
from farsighted.report.typesetting import to_csv, to_latex, to_markdown
from farsighted.reproduce.alignment import alignment_by_order
from farsighted.reproduce.theory import theory_finding
from farsighted.reproduce.worlds import Target
from farsighted.store.atomic import write_bytes, write_text
from farsighted.store.layout import Layout
from farsighted.store.reader import finished_cells, read_cell, read_plan

PAGE: Final = "reproduction.md"
_WRITERS: Final = {"md": to_markdown, "csv": to_csv, "tex": to_latex}


def write_page(target: Target, root: Path, out: Path) -> Path:
    """Write what a target asks for, from the finished cells under `root`; returns the page.

    Tables as Markdown, CSV and LaTeX, figures as SVG and PNG, claims as Markdown and JSON, and one page with all of it.

    Raises:
        StorageError: No plan, a damaged cell, or a file that cannot be written.
    """
    audit = read_plan(Layout(root))
    parts = [f"# {audit['title']}, beside the paper"]
    if target == "all" or target.startswith("table"):
        parts += _tables(target, root, out)
    if target == "all" or target.startswith("figure"):
        parts += _figures(target, root, audit, out)
    if target in {"all", "claims"}:
        outcomes = _claims(root, audit)
        values = [outcome.as_value() for outcome in outcomes]
        write_text(out / "claims.json", json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        parts += ["## Claims", summary_of(outcomes), claims_page(outcomes)]
    page = out / PAGE
    write_text(page, "\n\n".join(part.rstrip() for part in parts) + "\n")
    return page


def summary_of(outcomes: tuple[ClaimOutcome, ...]) -> str:
    """Return a line that counts the outcomes.

    >>> summary_of(())
    'Of 0 claims hold: 0, fail: 0, undecided: 0.'
    """
    count = {name: sum(outcome.outcome == name for outcome in outcomes) for name in ("holds", "fails", "undecided")}
    return f"Of {len(outcomes)} claims hold: {count['holds']}, fail: {count['fails']}, undecided: {count['undecided']}."


def _tables(target: Target, root: Path, out: Path) -> list[str]:
    parts = []
    for name, table in tables_beside_paper(groups_of(root)).items():
        if target != "all" and name.startswith("table") and not name.startswith(target):
            continue
        for suffix, write in _WRITERS.items():
            write_text(out / f"{name}.{suffix}", write(table))
        parts += [f"## {_heading(name)}", to_markdown(table)]
    return parts


def _figures(target: Target, root: Path, audit: Mapping[str, Any], out: Path) -> list[str]:
    results = build_results([read_cell(folder) for folder in finished_cells(root)], audit)
    parts = []
    for name, content in paper_figures(results).items():
        if target != "all" and not name.startswith(target):
            continue
        write_bytes(out / name, content)
        if name.endswith(".svg"):
            heading = _heading(name.partition("_")[0])
            parts += [f"## {heading}", f"![{heading}]({name})"]
    return parts


def _claims(root: Path, audit: Mapping[str, Any]) -> tuple[ClaimOutcome, ...]:
    alignment = alignment_by_order(root, audit["cells"])
    return claims_of(groups_of(root), settings_of(root), alignment, theory_finding())


def _heading(name: str) -> str:
    """A file's name as people write it.

    >>> _heading("table1_beside_paper"), _heading("agreement")
    ('Table 1', 'Agreement')
    """
    word = name.partition("_")[0]
    return f"{word.rstrip('0123456789').capitalize()} {word.lstrip('abcdefghijklmnopqrstuvwxyz')}".rstrip()
