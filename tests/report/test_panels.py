import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from farsighted.report import panels
from farsighted.report.palette import styles
from oracles.fabricated_cells import make_audit, make_cell, results_of, three_selectors, wanted


@pytest.fixture
def axes():
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    return figure.subplots()


@pytest.fixture(scope="module")
def results():
    cells = three_selectors()
    return results_of(cells, make_audit(cells))


@pytest.fixture(scope="module")
def style(results):
    return styles(results["summary"], "random")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_scatter_has_a_point_and_a_name_for_each_selector(axes, results, style):
    panels.scatter(axes, results["summary"], ("forgetting", "ood"), style)()
    assert sorted(texts(axes)) == ["lhas", "loss", "random", "random_matched"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Forgetting (better ←)", "OOD (better ↑)")
    points = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if len(line.get_xdata()) == 1
    }
    assert any(point == pytest.approx((15, 40.5)) for point in points)


def test_learning_curves_are_means_over_stages_and_seeds(axes, results, style):
    panels.learning_curves(axes, results["cells"], style)()
    curves = {tuple(np.round(line.get_ydata(), 6)) for line in axes.lines}
    assert curves == {(20, 40, 60), (20, 30, 40), (20, 50, 80)}
    assert len(axes.lines) == 4
    assert texts(axes).count("loss") == 1


def test_a_curve_with_other_points_is_not_averaged_in(axes, style):
    short = wanted()
    short.neutral = [[(0.0, 0.0), (100.0, 0.0)]] * 2
    cells = [make_cell("random", 0, wanted()), make_cell("random", 1, short)]
    panels.learning_curves(axes, results_of(cells, make_audit(cells))["cells"], style)
    (line,) = axes.lines
    assert line.get_ydata().tolist() == [20, 40, 60]


def test_bars_of_the_gap_are_sorted_and_signed(axes, results):
    panels.gap_bars(axes, results["myopia"][0])()
    assert [bar.get_width() for bar in axes.patches] == [-1, 0, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["lhas", "random", "loss"]
    assert axes.get_title("right") == "family gap 0.67"


def test_the_bump_chart_puts_rank_one_on_top_and_names_both_ends(axes, results, style):
    panels.bump(axes, results["myopia"][0], style)()
    assert axes.yaxis_inverted()
    assert sorted(texts(axes)) == sorted(["random", "loss", "lhas"] * 2)


def test_budgets_are_lines_over_budgets(axes, style):
    cells = [make_cell("random", 0, wanted(gain=gain), budget=b) for b, gain in (("10%", 30), ("25%", 40))]
    summary = results_of(cells, make_audit(cells))["summary"]
    panels.budget_lines(axes, {entry["budget"]: [entry] for entry in summary}, style)()
    (line,) = axes.lines
    assert line.get_ydata() == pytest.approx([2.275 / 4, 2.375 / 4])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10%", "25%"]


def test_a_heat_map_writes_every_score_and_leaves_out_what_was_not_evaluated(axes):
    matrix = np.array([[10.0, np.nan], [60.0, 20.0], [50.0, 70.0]])
    panels.heat_map(axes, matrix, ["a", "b"], (10, 70))
    assert sorted(texts(axes)) == ["10", "20", "50", "60", "70"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["base", "after a", "after b"]


@pytest.mark.parametrize("panel", ["scatter", "learning_curves", "gap_bars", "bump", "budget_lines"])
def test_a_panel_without_data_says_why(axes, style, panel):
    cells = [make_cell("random", 0, wanted(stages=("math",)), stages=("math",))]
    results = results_of(cells, make_audit(cells))
    arguments = {
        "scatter": (results["summary"], ("forgetting", "ood"), style),
        "learning_curves": (results["cells"], style),
        "gap_bars": (None,),
        "bump": (None, style),
        "budget_lines": ({"25%": results["summary"]}, style),
    }[panel]
    getattr(panels, panel)(axes, *arguments)()
    assert texts(axes)[0].startswith("Not drawn: ")
