"""docs/definitions.md and the code that cites it: no citation leads nowhere, no definition is of nothing."""

import re
from pathlib import Path

from farsighted.results.metrics import all_rows
from oracles.house import SOURCE

ROOT = SOURCE.parents[1]
PAGE = ROOT / "docs" / "definitions.md"
CITATION = re.compile(r"definitions\.md#([\w-]+)")
WORDS_ALONE = {"definitions", "the-protocol", "words"}
"""Headings that only order the page, or say what its words mean."""


def anchors():
    """The anchors that a page of Markdown gives to its headings."""
    headings = re.findall(r"^#+ (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def cited():
    """Every anchor that source, benchmarks, tests and pages cite, with the file that does."""
    files = [path for folder in ("src", "benchmarks", "tests", "docs") for path in (ROOT / folder).rglob("*")]
    texts = {path: path.read_text() for path in files if path.suffix in {".py", ".md"} and path != Path(__file__)}
    return [(anchor, path.relative_to(ROOT)) for path, text in texts.items() for anchor in CITATION.findall(text)]


def test_every_heading_has_an_anchor_of_its_own():
    found = anchors()
    assert sorted(found) == sorted(set(found))


def test_no_citation_leads_nowhere():
    assert [f"{path}: {anchor}" for anchor, path in cited() if anchor not in anchors()] == []


def test_every_definition_is_cited_by_the_code_that_computes_it():
    in_source = {anchor for anchor, path in cited() if path.parts[0] == "src"}
    rows = {row.anchor for row in all_rows().values()}
    assert set(anchors()) - WORDS_ALONE - in_source - rows == set()
