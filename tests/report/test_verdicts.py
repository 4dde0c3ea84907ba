"""Headline, tables and sentences say the same word of the same selector."""

import re

import pytest

from farsighted.core.verdicts import VERDICTS
from farsighted.report.scorecard import level_two, scorecard
from farsighted.report.tables import tables
from farsighted.report.verdicts import answer, verdict_sentences, verdict_table, word_of
from farsighted.results.lookup import group_keys, verdict_beside
from oracles.fabricated_cells import make_audit, make_cell, results_of, wanted
from oracles.fabricated_kinds import KINDS, every_kind


@pytest.fixture(scope="module", params=[(0, 1, 2), (0, 1), (4,), ()], ids=["three", "two", "one", "none"])
def results(request):
    """Every kind of result over three seeds, two, one, and before any cell has run."""
    cells = every_kind(request.param or (0,))
    return results_of(cells if request.param else [], make_audit(cells))


def words_of_headline(results):
    """Selector to the word that the headline has for it."""
    (group,) = group_keys(results)
    found = {}
    for word, listed in re.findall(r"\*\*([a-z -]+)\*\* \([^)]*\): (.*?)\.(?= [A-Z*]|$)", answer(results, group)):
        for name in re.findall(r"([a-z_]+)(?: \([^)]*\))?(?:; |$)", listed):
            assert found.setdefault(name, word) == word
    return found


def words_of_table(results, reference):
    (group,) = group_keys(results)
    rows = [(row.label, row.numbers) for row in verdict_table(results, group).rows]
    return {label: numbers[-1] for label, numbers in rows if numbers[0] == reference}


def test_headline_tables_and_sentences_agree_on_results_of_every_kind(results):
    (group,) = group_keys(results)
    entries = {entry["selector"]: verdict_beside(entry, "random") for entry in results["summary"]}
    entries = {name: entry for name, entry in entries.items() if entry is not None}
    assert list(entries) == list(KINDS)
    assert words_of_headline(results) == {name: entry["verdict"] for name, entry in entries.items()}
    shown = {name: word_of(entry) for name, entry in entries.items()}
    assert words_of_table(results, "random") == shown
    rows = {row.label: row.numbers[-1] for row in level_two(results, group).rows}
    assert {name: rows[name] for name in shown} == shown
    assert rows["random"] == rows["random_matched"] == "reference"
    page, sentences = scorecard(results), verdict_sentences(results, group)
    for name, word in shown.items():
        assert any(line.startswith(f"- **{name}: {word}** beside 'random'. ") for line in sentences)
    assert answer(results, group) in page
    assert all(line in page for line in sentences)


def test_three_seeds_show_every_word():
    cells = every_kind()
    found = words_of_headline(results_of(cells, make_audit(cells)))
    assert found == KINDS
    assert set(found.values()) == set(VERDICTS)


def test_no_word_of_a_verdict_is_used_of_ranks(results):
    page = scorecard(results)
    for line in page.splitlines():
        if "rank" in line.lower() and "gap" in line.lower() and not line.startswith(("|", "Beside")):
            assert not any(word in line.replace("is no verdict", "") for word in VERDICTS), line


def test_the_table_names_each_reference():
    cells = every_kind()
    results = results_of(cells, make_audit(cells, reference=["random", "equals"]))
    table = tables(results)["verdicts_canonical_25pct_lora"]
    beside = {row.numbers[0] for row in table.rows}
    assert beside == {"random", "equals", "random_matched"}
    assert len(table.rows) == 8 + 8 + 9  # nine selectors, none beside itself


def test_the_table_says_how_it_was_corrected_and_shows_corrected_numbers():
    cells = every_kind()
    results = results_of(cells, make_audit(cells, correction="none"))
    (group,) = group_keys(results)
    assert "not corrected" in verdict_table(results, group).notes[0]
    holm = results_of(cells, make_audit(cells))
    table = verdict_table(holm, group)
    assert "Holm" in table.notes[0]
    row = next(row for row in table.rows if row.label == "falls")
    entry = next(entry for entry in holm["summary"] if entry["selector"] == "falls")["verdicts"][0]
    assert row.numbers[4] == f"{entry['later']['corrected']['p']:.4f}"
    assert row.numbers[2].low == entry["later"]["corrected"]["low"]


def test_a_headline_without_a_myopic_selector_says_so_only_where_something_was_judged():
    cells = [make_cell(name, seed, wanted()) for name in ("random", "loss") for seed in range(3)]
    (group,) = group_keys(results_of(cells, make_audit(cells)))
    assert "None is shown to be myopic." in answer(results_of(cells, make_audit(cells)), group)
    single = cells[::3]
    text = answer(results_of(single, make_audit(single)), group)
    assert "None is shown" not in text
    assert "one seed does not show what chance in training does" in text


def test_an_audit_of_the_reference_alone_says_that_nothing_can_be_said():
    cells = [make_cell("random", 0, wanted())]
    results = results_of(cells, make_audit(cells))
    assert answer(results, group_keys(results)[0]) == "Nothing can be said: no selector but 'random' was run."
