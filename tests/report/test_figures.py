import struct
import xml.etree.ElementTree as ET

import pytest

from farsighted.report.figures import concentration, figures, matrices, now_and_later, ranks
from farsighted.results.lookup import GroupKey
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted

GROUP = GroupKey("canonical", "25%", "lora")


@pytest.fixture(scope="module")
def results():
    cells = three_selectors()
    return results_of(cells, make_audit(cells))


@pytest.fixture(scope="module")
def files(results):
    return figures(results)


def test_every_figure_is_there_as_svg_and_png(files):
    names = ("concentration", "figure2", "matrices", "ranks")
    assert sorted(files) == [f"figures/{name}_canonical_25pct_lora.{kind}" for name in names for kind in ("png", "svg")]


def test_the_same_results_give_the_same_bytes(results, files):
    again = figures(results)
    assert {name: again[name] == files[name] for name in files} == dict.fromkeys(files, True)


def test_svg_parses_holds_text_and_no_date(files):
    page = files["figures/figure2_canonical_25pct_lora.svg"]
    ET.fromstring(page)
    assert b"lhas</text>" in page
    assert b"dc:date" not in page


def test_png_has_the_size_of_a_page_and_is_not_blank(files):
    page = files["figures/figure2_canonical_25pct_lora.png"]
    assert struct.unpack(">II", page[16:24]) == (1650, 1230)
    assert len(page) > 30_000


def test_figure_2_has_four_panels_with_labelled_axes(results):
    panels = now_and_later(results, GROUP).axes
    assert [panel.get_title("left")[:3] for panel in panels] == ["(a)", "(b)", "(c)", "(d)"]
    assert all(panel.get_xlabel() for panel in panels)
    assert all(panel.get_ylabel() for panel in panels[:3])
    assert all(panel.lines or panel.patches for panel in panels)


def test_there_is_a_score_matrix_for_each_selector_and_one_colour_bar(results):
    figure = matrices(results, GROUP)
    titles = [panel.get_title("left") for panel in figure.axes if panel.get_visible() and panel.images]
    assert titles == ["random", "loss", "lhas", "random_matched"]
    assert figure.axes[-1].get_ylabel() == "Score"


@pytest.mark.parametrize("draw", [ranks, concentration])
def test_single_figures_have_one_panel(results, draw):
    assert len(draw(results, GROUP).axes) == 1


def test_several_budgets_get_a_figure_of_their_own():
    cells = [make_cell("random", 0, wanted(), budget=budget) for budget in ("10%", "25%")]
    names = figures(results_of(cells, make_audit(cells)))
    assert "figures/budgets_canonical_lora.svg" in names
    assert "figures/figure2_canonical_10pct_lora.svg" in names


def test_an_audit_that_never_ran_is_drawn_as_reasons():
    planned = three_selectors(seeds=(0,))
    page = figures(results_of([], make_audit(planned)))["figures/figure2_canonical_25pct_lora.svg"]
    assert page.count(b"Not drawn: ") >= 4
