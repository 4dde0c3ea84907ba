import itertools
import struct
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.text import Text

from farsighted.paper.figures import figure_3, figure_4, main_group, paper_figures
from farsighted.report.figures import now_and_later
from farsighted.results.lookup import GroupKey, summaries
from oracles.fabricated_cells import STAGES, make_audit, make_cell, results_of, wanted

MAIN = GroupKey("canonical", "25%", "lora")
# selector: gain now, fall later, OOD, rise of the probe, entropy, concentration
SELECTORS = {
    "random": (38, 5, 54, 40, 1.92, 0.31),
    "loss": (42, 9, 48, 30, 1.28, 0.58),
    "gradient": (43, 10, 46, 28, 1.22, 0.63),
    "diversity": (39, 4, 56, 44, 2.05, 0.27),
    "quality": (41, 8, 50, 34, 1.45, 0.49),
    "utility_diversity": (42, 6, 55, 42, 1.81, 0.39),
    "lhas": (41, 3, 58, 50, 2.02, 0.25),
}
ORDERS = {"canonical": STAGES, "reversed": STAGES[::-1], "random-1": ("math", "general", "code")}
ORDERS["code>general>math"] = ("code", "general", "math")
GROUPS = [
    *(GroupKey(order, "25%", "lora") for order in ORDERS),
    *(GroupKey("canonical", budget, "lora") for budget in ("50%", "10%")),
    GroupKey("canonical", "25%", "full"),
    GroupKey("reversed", "10%", "full"),
]
SHIFT = {
    "500 tokens": 0,
    "10%": -6,
    "25%": 0,
    "50%": 4,
    "canonical": 0,
    "reversed": 1,
    "random-1": -2,
    "code>general>math": 3,
}


def cell(name, seed, group, reference=False):
    gain, fall, ood, rise, entropy, concentration = SELECTORS["random" if reference else name]
    if group.adaptation == "full":
        fall, rise = 4 + fall / 4, 36 + rise / 8
    shift = SHIFT[group.budget] + SHIFT[group.order] + seed
    scores = wanted(gain + shift, fall, ood + shift, 20 - fall / 2, rise, stages=ORDERS[group.order])
    for after, stage in ((1, 1), (1, 2), (2, 2)):
        scores.matrix[after][stage] += 10 - fall  # forward transfer
    run = {"capability_entropy": entropy, "update_concentration": concentration + 0.01 * seed, "mean_quality": None}
    return make_cell(
        name,
        seed,
        scores,
        stages=ORDERS[group.order],
        run=run,
        reference=reference,
        id="-".join([name, str(seed), *group]),
        **group._asdict(),
    )


def audit_of(groups, names=tuple(SELECTORS), planned=()):
    cells = [cell(name, seed, group) for group in groups for name in names for seed in (0, 1)]
    cells += [cell("random_matched", seed, group, reference=True) for group in groups for seed in (0, 1)]
    return results_of(cells, make_audit(cells, [cell("lhas", 0, group) for group in planned], resamples=50))


@pytest.fixture(scope="module")
def results():
    return audit_of(GROUPS)


@pytest.fixture(scope="module")
def alone():
    return audit_of([GroupKey("reversed", "500 tokens", "full")])


@pytest.fixture(scope="module")
def third(results):
    return figure_3(results, MAIN)


@pytest.fixture(scope="module")
def fourth(results):
    return figure_4(results, MAIN)


def number(results, group, name, key="long_horizon", part="metrics"):
    return next(entry for entry in summaries(results, group) if entry["selector"] == name)[part][key]


def words(panel):
    return " ".join(text.get_text() for text in panel.texts)


def points(panel):
    return {(line.get_xdata()[0], line.get_ydata()[0]) for line in panel.lines if len(line.get_xdata()) == 1}


def test_the_main_group_is_that_of_the_papers_table_1_wherever_it_stands_in_the_plan(results):
    assert main_group(results) == MAIN
    turned = {**results, "summary": results["summary"][::-1]}
    assert main_group(turned) == MAIN


def test_without_the_papers_setting_the_main_group_is_the_first(alone):
    assert main_group(alone) == GroupKey("reversed", "500 tokens", "full")
    with pytest.raises(ValueError, match="`summary` is empty"):
        main_group({"summary": []})


def test_three_figures_come_as_svg_and_png_that_are_not_empty(results):
    with mpl.rc_context():
        before = dict(mpl.rcParams)
        files = paper_figures(results)
        assert dict(mpl.rcParams) == before
    names = [f"figure{figure}_canonical_25pct_lora.{kind}" for figure in (2, 3, 4) for kind in ("svg", "png")]
    assert list(files) == names
    for name, page in files.items():
        if name.endswith("png"):
            assert min(struct.unpack(">II", page[16:24])) > 700
            assert len(page) > 30_000
        else:
            ET.fromstring(page)
            assert b"lhas</text>" in page
            assert b"dc:date" not in page
    again = paper_figures(results)
    assert [name for name in files if name.endswith("svg") and again[name] != files[name]] == []


@pytest.mark.parametrize(
    ("draw", "heads"),
    [
        (now_and_later, ["(a) Now and later", "(b) Learning the next stage", "(c) Robustness and forgetting"]),
        (figure_3, ["(a) Budgets", "(b) Entropy and concentration", "(c) Adaptation modes"]),
        (figure_4, ["(a) Task orders", "(b) Concentration and forgetting"]),
    ],
)
def test_the_panels_are_those_of_the_paper(results, draw, heads):
    last = {now_and_later: ["(d) Myopia gap"], figure_3: ["(d) Worst task and forward transfer"], figure_4: []}[draw]
    panels = draw(results, MAIN).axes
    assert [panel.get_title("left") for panel in panels] == heads + last
    assert all(panel.get_xlabel() for panel in panels)
    assert all(panel.get_ylabel() or panel.get_title("left") == "(d) Myopia gap" for panel in panels)


def test_budgets_are_drawn_smallest_first_from_the_groups_that_differ_by_budget_alone(results, third):
    panel = third.axes[0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["10%", "25%", "50%"]
    drawn = [tuple(line.get_ydata()) for line in panel.lines]
    groups = [MAIN._replace(budget=budget) for budget in ("10%", "25%", "50%")]
    assert drawn == [
        tuple(number(results, group, name)["mean"] for group in groups) for name in (*SELECTORS, "random_matched")
    ]


def test_worst_task_and_forward_transfer_are_those_of_the_group(results, third):
    panel = third.axes[3]
    keys = ("worst_task", "forward_transfer")
    assert points(panel) == {
        tuple(number(results, MAIN, name, key)["mean"] for key in keys) for name in (*SELECTORS, "random_matched")
    }


def test_bars_are_the_scores_under_both_adaptations(results, third):
    panel = third.axes[2]
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert [bar.get_width() for bar in panel.patches] == [
        number(results, MAIN._replace(adaptation=mode), name.strip("()"))["mean"]
        for mode in ("lora", "full")
        for name in names
    ]


def test_the_heat_map_holds_the_score_of_every_selector_under_every_order(results, fourth):
    panel = fourth.axes[0]
    assert panel.images[0].get_array().tolist() == [
        [number(results, MAIN._replace(order=order), name)["mean"] for order in ORDERS]
        for name in (*SELECTORS, "random_matched")
    ]
    assert [tick.get_text() for tick in panel.get_xticklabels()][-1] == "code >\ngeneral >\nmath"


def test_the_group_that_is_asked_for_comes_first_along_each_axis(results):
    group = GroupKey("reversed", "25%", "lora")
    panels = figure_4(results, group).axes
    assert [tick.get_text() for tick in panels[0].get_xticklabels()][:2] == ["reversed", "canonical"]
    assert "no other budget than 25% was run" in words(figure_3(results, group).axes[0])


def test_the_spearman_correlations_are_those_of_the_ranks(third, fourth):
    """Forgetting has the order of concentration; by entropy the squared differences of ranks sum to 110."""
    assert f"Spearman ρ = −{6 * 110 / (7 * 48) - 1:.2f}, 7 selectors" in words(third.axes[1])
    assert "Spearman ρ = +1.00, 7 selectors" in words(fourth.axes[1])


def test_an_audit_without_further_axes_says_what_was_not_run(alone):
    group = main_group(alone)
    third, fourth = figure_3(alone, group).axes, figure_4(alone, group).axes
    assert words(third[0]) == "Not drawn: no other budget than 500 tokens was run."
    assert words(third[2]) == "Not drawn: no other adaptation mode than full was run."
    assert words(fourth[0]) == "Not drawn: no other order than reversed was run."
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in (*third, *fourth))
    assert not any(panel.patches or panel.lines or panel.images for panel in (third[0], third[2], fourth[0]))


def test_an_audit_that_never_ran_is_drawn_as_reasons():
    planned = [cell(name, 0, group) for group in GROUPS for name in SELECTORS]
    results = results_of([], make_audit([], planned))
    panels = [panel for draw in (now_and_later, figure_3, figure_4) for panel in draw(results, MAIN).axes]
    assert [panel.get_title("left") for panel in panels if not words(panel).startswith("Not drawn: ")] == []


def shown_ticks(panel):
    for axis, limits in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
        low, high = sorted(limits)
        yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)


@pytest.mark.parametrize("name", ["third", "fourth"])
def test_no_name_covers_another_or_leaves_the_page(request, name):
    figure = request.getfixturevalue(name)
    figure.draw_without_rendering()  # places the annotations
    renderer = figure.canvas.get_renderer()
    for panel in figure.axes:
        boxes = [Text.get_window_extent(text, renderer) for text in (*panel.texts, *shown_ticks(panel))]
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
        shrunk = [box.padded(-1) for box in boxes]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(shrunk, 2)), panel.get_title("left")
