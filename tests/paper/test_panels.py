import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from farsighted.paper.panels import Lead, adaptation_bars, budgets, correlated, lead, order_map, why_alone
from farsighted.report import panels
from farsighted.report.palette import styles


@pytest.fixture
def axes():
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    return figure.subplots()


def interval(mean, reach=0.25):
    return {"mean": mean, "low": None if mean is None else mean - reach, "high": None if mean is None else mean + reach}


def entry(name, score, *, entropy=1.0, concentration=0.5, reference=False, family=None):
    return {
        "selector": name,
        "family": family or name,
        "reference": reference,
        "metrics": {"long_horizon": interval(score)},
        "diagnostics": {"capability_entropy": interval(entropy), "update_concentration": interval(concentration)},
    }


def entries(**scores):
    return [entry(name, score, reference=name.endswith("matched")) for name, score in scores.items()]


def cells(*seeds):
    """One dictionary of scores a seed."""
    return [
        {"selector": name, "seed": seed, "metrics": {"long_horizon": score}}
        for seed, scores in enumerate(seeds)
        for name, score in scores.items()
    ]


def look(found):
    style = styles(found, "random")
    return {entry["selector"]: style[entry["selector"]] for entry in found}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ticks(labels):
    return [label.get_text() for label in labels]


def whiskers(axes):
    return [segment.tolist() for lines in axes.collections for segment in lines.get_segments()]


KEYS = ("capability_entropy", "update_concentration")


def test_a_panel_needs_two_values_of_its_axis_that_have_scores():
    some, none = entries(random=0.5), entries(random=None)
    assert why_alone({"25%": some}, "budget") == "no other budget than 25% was run"
    assert why_alone({"10%": none, "25%": some, "50%": none}, "budget") == "no long-horizon score for budget\n10%, 50%"
    assert why_alone({"10%": some, "25%": some, "50%": none}, "budget") is None


def test_budgets_stand_in_order_of_size_with_their_intervals(axes):
    found = {budget: entries(random=score) for budget, score in (("50%", 0.75), ("5%", 0.25), ("10%", 0.5))}
    budgets(axes, found, look(found["50%"]))()
    assert ticks(axes.get_xticklabels()) == ["5%", "10%", "50%"]
    assert axes.lines[0].get_ydata().tolist() == [0.25, 0.5, 0.75]
    assert whiskers(axes) == [[[place, y - 0.25], [place, y + 0.25]] for place, y in enumerate((0.25, 0.5, 0.75))]
    assert texts(axes) == ["random"]


def test_a_budget_without_a_score_interrupts_the_line(axes):
    found = {budget: entries(random=score) for budget, score in (("5%", 0.25), ("10%", None), ("50%", 0.75))}
    budgets(axes, found, look(found["5%"]))
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, True, False]


def test_budgets_in_another_unit_are_not_put_on_the_same_axis(axes):
    found = {budget: entries(random=0.5) for budget in ("25%", "500 tokens", "25% examples")}
    budgets(axes, found, look(found["25%"]))
    assert texts(axes) == ["Not drawn: no other budget in the unit of 25%."]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Budget", "Long-horizon score (better ↑)")


@pytest.mark.parametrize(
    ("entropies", "note"),
    [
        ((3, 2, 1), "Spearman ρ = +1.00, 3 selectors"),
        ((1, 2, 3), "Spearman ρ = −1.00, 3 selectors"),
        ((2, 3, 1), "Spearman ρ = +0.50, 3 selectors"),
        ((1, 1, 1), "no Spearman ρ: one of the two is the same for all"),
        ((1, 2, None), "no Spearman ρ: it needs 3 selectors, here 2"),
    ],
)
def test_the_rank_correlation_is_written_without_the_reference_rows(axes, entropies, note):
    names = ("random", "loss", "lhas")
    found = [entry(*row) for row in zip(names, [0.5] * 3, strict=True)]
    for one, entropy, concentration in zip(found, entropies, (0.75, 0.5, 0.25), strict=True):
        one["diagnostics"] = {KEYS[0]: interval(entropy), KEYS[1]: interval(concentration)}
    found.append(entry("random_matched", 0.5, entropy=9, concentration=0.1, reference=True))
    correlated(axes, found, KEYS, look(found))()
    assert note in texts(axes)
    assert "random_matched" in texts(axes)


def test_a_correlation_of_nothing_is_not_written(axes):
    found = [entry("random", 0.5, entropy=None)]
    correlated(axes, found, KEYS, look(found))()
    assert texts(axes) == ["Not drawn: Capability entropy or Update concentration was not measured."]


def test_bars_are_grouped_by_selector_best_on_top_with_intervals_and_spread(axes):
    found = {
        "lora": entries(random=0.5, lhas=0.75, loss=0.25, random_matched=0.0),
        "full": entries(random=0.5, lhas=0.625, loss=0.375, random_matched=0.0),
    }
    adaptation_bars(axes, found, look(found["lora"]))()
    assert ticks(axes.get_yticklabels()) == ["lhas", "random", "loss", "(random_matched)"]
    assert axes.yaxis_inverted()
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.5, 0.25, 0.0, 0.625, 0.5, 0.375, 0.0]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
    assert middles == pytest.approx([-0.2, 0.8, 1.8, 2.8, 0.2, 1.2, 2.2, 3.2])
    (left, _), (right, _) = whiskers(axes)[0]
    assert (left, right) == (0.5, 1.0)
    assert ticks(axes.get_legend().get_texts()) == ["lora (0.500)", "full (0.250)"]


def test_a_bar_that_was_not_measured_says_so(axes):
    found = {"lora": entries(random=0.5, lhas=0.75), "full": entries(random=0.5, lhas=None)}
    adaptation_bars(axes, found, look(found["lora"]))
    assert texts(axes) == [" – not measured"]
    assert len(axes.patches) == 3
    assert ticks(axes.get_legend().get_texts()) == ["lora (0.250)", "full"]


def test_the_lead_is_that_of_lhas_over_the_best_other_judged_selector():
    seeds = cells({"random": 0.5, "loss": 0.25, "lhas": 0.75}, {"random": 0.75, "lhas": 0.5}, {"random": 0.5})
    found = entries(random=0.5, loss=0.25, lhas=0.625, random_matched=0.9)
    assert lead(found, seeds) == Lead("lhas", 0.125, first=1, seeds=2)


def test_a_selector_that_is_ahead_makes_the_lead_negative():
    assert lead(entries(random=0.75, lhas=0.5), cells({"random": 0.75, "lhas": 0.5})) == Lead("lhas", -0.25, 0, 1)


def test_of_several_lhas_the_plain_one_counts_and_without_any_the_first_selector():
    ablation = [entry("lhas_no_proxy", 0.75, family="lhas"), entry("mine", 0.25, family="lhas")]
    assert lead([*ablation, *entries(lhas=0.5)], []).selector == "lhas"
    assert lead(ablation, []).selector == "lhas_no_proxy"
    assert lead(entries(random=0.25, diversity=0.5), []) == Lead("diversity", 0.25, 0, 0)


def test_there_is_no_lead_where_lhas_has_no_score_or_nobody_else():
    assert lead(entries(random=0.5, loss=0.25, lhas=None), []) is None
    assert lead(entries(random=None, lhas=0.5), []) is None


def test_the_order_map_writes_scores_frames_the_best_and_names_the_lead(axes):
    found = {
        "canonical": entries(random=0.5, lhas=0.75, random_matched=0.9),
        "reversed": entries(random=0.625, lhas=0.5, random_matched=None),
        "a>b": entries(random=None, lhas=None, random_matched=None),
    }
    leads = {"canonical": Lead("lhas", 0.25, 2, 2), "reversed": Lead("lhas", -0.125, 0, 2), "a>b": None}
    order_map(axes, found, leads, look(found["canonical"]))()
    scores = ["0.500", "0.625", "–", "0.750", "0.500", "–", "0.900", "–", "–"]
    assert texts(axes) == [*scores, "+0.250\n2 of 2 seeds", "−0.125\n0 of 2 seeds", "–"]
    assert [(frame.get_x() + 0.47, frame.get_y() + 0.46) for frame in axes.patches] == [(0, 1), (1, 0)]
    assert ticks(axes.get_xticklabels()) == ["canonical", "reversed", "a >\nb\n(no score)"]
    names = ["random", "lhas", "(random_matched)", "lhas − best other;\nlhas first in"]
    assert ticks(axes.get_yticklabels()) == names


def test_the_lead_has_another_name_where_it_is_not_always_the_same_selectors(axes):
    found = {"canonical": entries(random=0.5, loss=0.25), "reversed": entries(random=0.25, loss=0.5)}
    order_map(axes, found, {order: lead(one, []) for order, one in found.items()}, look(found["canonical"]))
    assert ticks(axes.get_yticklabels())[-1] == "first − second;\nfirst in"


def test_the_lines_of_the_shared_panel_have_whiskers_too(axes):
    found = {"25%": entries(random=0.5)}
    panels.budget_lines(axes, found, look(found["25%"]))
    assert whiskers(axes) == [[[0, 0.25], [0, 0.75]]]
