"""The page of a reproduction: the paper's tables beside ours, its figures, its claims."""

import json
from pathlib import Path
from typing import Final

from farsighted.paper.alignment import alignment_by_order
from farsighted.paper.claims import ClaimOutcome, claims_of, claims_page
from farsighted.paper.tables import tables_beside_paper
from farsighted.paper.theory import theory_finding
from farsighted.paper.worlds import Target
from farsighted.report.typesetting import WRITERS, to_markdown
from farsighted.results.audit import MeasuredAudit, read_audit
from farsighted.results.build import build_results
from farsighted.store.atomic import write_bytes, write_text

PAGE: Final = "reproduction.md"


def write_page(target: Target, root: Path, out: Path) -> Path:
    """Write what a target asks for, from the finished cells under `root`; returns the page.

    Tables as Markdown, CSV and LaTeX, figures as SVG and PNG, claims as Markdown and JSON, and one page with all of it.

    Raises:
        StorageError: No plan, a damaged cell, or a file that cannot be written.
    """
    audit = read_audit(root)
    parts = [f"# {audit.plan['title']}, beside the paper"]
    if target == "all" or target.startswith("table"):
        parts += _tables(target, audit, out)
    if target == "all" or target.startswith("figure"):
        parts += _figures(target, audit, out)
    if target in {"all", "claims"}:
        parts += _claims(audit, root, out)
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


def _tables(target: Target, audit: MeasuredAudit, out: Path) -> list[str]:
    parts = []
    for name, table in tables_beside_paper(audit.groups).items():
        if target != "all" and name.startswith("table") and not name.startswith(target):
            continue
        for suffix, write in WRITERS.items():
            write_text(out / f"{name}.{suffix}", write(table))
        parts += [f"## {_heading(name)}", to_markdown(table)]
    return parts


def _figures(target: Target, audit: MeasuredAudit, out: Path) -> list[str]:
    # Matplotlib takes half a second to import, and every command and worker would pay for it.
    from farsighted.paper.figures import paper_figures

    parts = []
    for name, content in paper_figures(build_results(audit)).items():
        if target != "all" and not name.startswith(target):
            continue
        write_bytes(out / name, content)
        if name.endswith(".svg"):
            heading = _heading(name)
            parts += [f"## {heading}", f"![{heading}]({name})"]
    return parts


def _claims(audit: MeasuredAudit, root: Path, out: Path) -> list[str]:
    alignment = alignment_by_order(root, audit.plan["cells"])
    outcomes = claims_of(audit.groups, audit.settings, alignment, theory_finding())
    values = [outcome.as_value() for outcome in outcomes]
    write_text(out / "claims.json", json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return ["## Claims", summary_of(outcomes), claims_page(outcomes)]


def _heading(name: str) -> str:
    """A file's name as people write it.

    >>> _heading("table1_beside_paper"), _heading("agreement")
    ('Table 1', 'Agreement')
    """
    word = name.partition("_")[0]
    return f"{word.rstrip('0123456789').capitalize()} {word.lstrip('abcdefghijklmnopqrstuvwxyz')}".rstrip()
